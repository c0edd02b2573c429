"""What messages can ask for. None carries work: a ring says that shards wait, a tick that chores may be."""

from workers.app import app
from workers.context import context
from workers.process.courier import courier
from workers.process.workplace import upkeep, workplace


@app.task(name="shards.ring")  # type: ignore[untyped-decorator]  # celery has no types
def ring() -> None:
    """Work on what waits in the queues of this worker."""
    workplace().hear()


@app.task(name="ops.sweep")  # type: ignore[untyped-decorator]  # celery has no types
def sweep() -> None:
    """Find what was lost, tidy up."""
    upkeep(context())


@app.task(name="ops.webhooks")  # type: ignore[untyped-decorator]  # celery has no types
def send_webhooks() -> None:
    """Wake the courier; sending itself happens in its thread."""
    courier().wake()
