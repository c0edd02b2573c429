"""What messages ask for. None carries work: a notification says that shards wait, a tick that chores may."""

from workers.app import app
from workers.context import context
from workers.process.webhook_sender import webhook_sender
from workers.process.workplace import upkeep, workplace


@app.task(name="shards.ring")  # type: ignore[untyped-decorator]  # celery has no types
def notify() -> None:
    """Work on what waits in the queues of this worker."""
    workplace().hear()


@app.task(name="ops.sweep")  # type: ignore[untyped-decorator]  # celery has no types
def sweep() -> None:
    """Find what was lost, tidy up."""
    upkeep(context())


@app.task(name="ops.webhooks")  # type: ignore[untyped-decorator]  # celery has no types
def send_webhooks() -> None:
    """Wake the webhook sender; it sends from a thread of its own."""
    webhook_sender().wake()
