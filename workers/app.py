"""The Celery application: queues, durability settings, the ops schedule. Nothing heavy is imported here.

A parent that has run torch or faiss hangs its forked children, so children are spawned and only they compute.
"""

from celery import Celery

from store.settings import load_settings

SOFT_SHUTDOWN_SECONDS = 5.0
FORGET_SECONDS = 3600.0  # between two deletions of what has served its time


def make_app() -> Celery:
    """Configured from EVOSELECT_* variables; raises MissingSetting when a server is not named."""
    settings = load_settings()
    app = Celery("evoselect", broker=settings.redis_url, include=["workers.tasks"])
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=False,  # the shard's row is the job; the message only rings
        task_create_missing_queues=True,
        worker_pool="prefork",
        worker_pool_start_method="spawn",
        worker_concurrency=1,
        worker_prefetch_multiplier=1,
        worker_soft_shutdown_timeout=SOFT_SHUTDOWN_SECONDS,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"visibility_timeout": 3600},
        beat_schedule={
            "relay": {"task": "ops.relay", "schedule": settings.relay, "options": _ops(settings.relay)},
            "sweep": {"task": "ops.sweep", "schedule": settings.sweep, "options": _ops(settings.sweep)},
            "webhooks": {
                "task": "ops.webhooks",
                "schedule": settings.webhooks,
                "options": _ops(settings.webhooks),
            },
            "forget": {"task": "ops.forget", "schedule": FORGET_SECONDS, "options": _ops(FORGET_SECONDS)},
        },
    )
    return app


def _ops(period: float) -> dict[str, object]:
    """A tick that nobody took before the next one is worthless."""
    return {"queue": "ops", "expires": max(2 * period, 5.0)}


app = make_app()
