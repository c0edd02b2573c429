"""The tasks by name. Bodies load torch and friends on first use, so that only children pay for them."""

import redis

from store import audit, idempotency, outbox, plans, sweeper
from workers.app import app
from workers.context import context
from workers.courier import courier
from workers.job_task import JobTask


@app.task(name="ops.relay")  # type: ignore[untyped-decorator]  # celery has no types
def relay() -> None:
    """Publish what the outbox promised."""
    with context().database.transaction() as session:
        outbox.publish(session, _send)


@app.task(name="ops.sweep")  # type: ignore[untyped-decorator]  # celery has no types
def sweep() -> None:
    """Ring again for lost shards, settle cancelled jobs."""
    ctx = context()
    quiet = _quiet_queues(ctx.settings.redis_url)
    with ctx.database.transaction() as session:
        sweeper.sweep(session, rekick=ctx.settings.rekick, quiet=quiet)
        sweeper.settle_cancelling(session)


@app.task(name="ops.webhooks")  # type: ignore[untyped-decorator]  # celery has no types
def send_webhooks() -> None:
    """Wake the courier; sending itself happens in its thread."""
    courier().wake()


@app.task(name="ops.forget")  # type: ignore[untyped-decorator]  # celery has no types
def forget() -> None:
    """Delete what has served its time: old idempotency keys, old lines of the audit log."""
    ctx = context()
    with ctx.database.transaction() as session:
        idempotency.forget(session)
        audit.forget(session, ctx.settings.audit_days)


@app.task(base=JobTask, bind=True, name="shards.features")  # type: ignore[untyped-decorator]  # celery has no types
def features(self: JobTask, shard_id: str) -> None:
    """Gradient features of a run of records."""
    from workers.phases.features import run

    self.see_through(shard_id, run)


@app.task(base=JobTask, bind=True, name="shards.transport")  # type: ignore[untyped-decorator]  # celery has no types
def transport(self: JobTask, shard_id: str) -> None:
    """The selection itself."""
    from workers.phases.transport import run

    self.see_through(shard_id, run)


@app.task(base=JobTask, bind=True, name="shards.train")  # type: ignore[untyped-decorator]  # celery has no types
def train(self: JobTask, shard_id: str) -> None:
    """LoRA-SFT on a selection."""
    from workers.phases.train import run

    self.see_through(shard_id, run)


@app.task(base=JobTask, bind=True, name="shards.evaluate")  # type: ignore[untyped-decorator]  # celery has no types
def evaluate(self: JobTask, shard_id: str) -> None:
    """Accuracy and negative log-likelihood of a model on held-out examples."""
    from workers.phases.evaluate import run

    self.see_through(shard_id, run)


def _send(queue: str, phase: str, shard_id: str) -> None:
    app.send_task(f"shards.{phase}", args=[shard_id], queue=queue, retry=False)


def _quiet_queues(url: str) -> list[str]:
    """Queues whose list in the broker is empty."""
    with redis.Redis.from_url(url, socket_timeout=5) as client:
        return [queue for queue in sorted(set(plans.QUEUE.values())) if not client.llen(queue)]
