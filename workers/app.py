"""The Celery application: queues, durability settings, the ops schedule. Nothing heavy is imported here.

A parent that has run torch or faiss hangs its forked children, so children are spawned and only they compute.
"""

import os
import threading
from functools import partial
from typing import Any

from celery import Celery, signals

from store.settings import MissingSetting, load_settings
from store.telemetry import logs, traces

CHILD_START_SECONDS = 180.0  # celery's 4 s kill every child of a busy machine before it is up, for ever
BROKER_PATIENCE = {"socket_timeout": 30.0, "socket_connect_timeout": 5.0}  # by default it waits for ever
OPS = {"queue": "ops"}  # without an expiry: the clocks of two machines need not agree
PRIVATE = 0o077  # records, models and logs are for the account of the workers alone
SERVICE = "evoselect-worker"  # by which traces name it
_parent: list[Any] = []  # the celery worker of this process, where this is a parent


def make_app() -> Celery:
    """Configured from EVOSELECT_* variables; raises MissingSetting when a server is not named."""
    settings = load_settings(keys=False)
    app = Celery("evoselect", broker=settings.redis_url, include=["workers.tasks"])
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=False,  # the shard's row is the job; the message only notifies
        task_create_missing_queues=True,
        worker_pool="prefork",
        worker_pool_start_method="spawn",
        worker_concurrency=1,
        worker_prefetch_multiplier=1,
        worker_proc_alive_timeout=CHILD_START_SECONDS,
        worker_soft_shutdown_timeout=settings.shutdown_seconds,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # the children poll the database meanwhile
        broker_transport_options={"visibility_timeout": 3600, **BROKER_PATIENCE},
        beat_scheduler="celery.beat:Scheduler",  # in memory: one with a file dies of a full disk
        beat_schedule={
            "sweep": {"task": "ops.sweep", "schedule": settings.sweep_seconds, "options": OPS},
            "webhooks": {"task": "ops.webhooks", "schedule": settings.webhook_sweep_seconds, "options": OPS},
        },
    )
    return app


app = make_app()


@signals.setup_logging.connect  # type: ignore[untyped-decorator]  # celery has no types
def _set_up_logs(**_: Any) -> None:
    logs.configure()


@signals.worker_init.connect  # type: ignore[untyped-decorator]  # celery has no types
def _start_parent(sender: Any, **_: Any) -> None:
    from store.migrate import start_or_leave  # with alembic, which would cost every child 0.2 s
    from workers.process import guard, leaving, orphan, relay, siblings
    from workers.process.workplace import QUEUES_VARIABLE

    settings = load_settings(keys=False)
    os.umask(PRIVATE)
    start_or_leave(settings.database_url)
    traces.start(settings, SERVICE)
    _parent.append(sender)
    siblings.found_family()
    guard.start(settings, partial(leaving.children, sender))
    orphan.end_with_supervisor(settings.heartbeat_seconds)
    queues = list(sender.app.amqp.queues.consume_from)
    os.environ[QUEUES_VARIABLE] = ",".join(queues)
    if relay.QUEUE in queues:
        _require_pepper()


def _require_pepper() -> None:
    """Webhooks are sent by ops workers, and signed under it."""
    from store.kit.exits import EXIT_CONFIGURATION, leave

    try:
        load_settings()
    except MissingSetting as error:
        leave(EXIT_CONFIGURATION, str(error))


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]  # celery has no types
def _stop_children(**_: Any) -> None:
    from workers.process import leaving

    for worker in _parent:
        leaving.stop_children(worker)


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]  # celery has no types
def _start_child(**_: Any) -> None:
    from workers.process import guard, leaving, niceness, relay
    from workers.process.workplace import workplace

    settings = load_settings(keys=False)
    traces.start(settings, SERVICE)
    leaving.listen()
    threading.Thread(target=guard.give_signs, args=(settings,), name="life", daemon=True).start()
    computes = relay.QUEUE not in workplace().queues
    if computes:
        niceness.give_way(settings.niceness or 0)  # before there are threads: each has one of its own
    threading.Thread(target=workplace().poll_until_leaving, name="watch", daemon=True).start()
    if not computes:
        arguments = (app, workplace().context)
        threading.Thread(target=relay.keep_publishing, args=arguments, name="relay", daemon=True).start()


@signals.worker_process_shutdown.connect  # type: ignore[untyped-decorator]  # celery has no types
def _end_child(**_: Any) -> None:
    from workers.process.leaving import leave
    from workers.process.workplace import workplace

    leave()
    # by then the heartbeat has given the shard back
    workplace().rest(load_settings(keys=False).shutdown_seconds + 1.0)
    traces.stop()
