"""The promise to ring a worker, made in the transaction that creates the work and kept after it."""

from collections.abc import Callable

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from store.models import Outbox, Shard

BATCH = 500  # rows published per transaction


def ring(session: Session, shard: Shard) -> None:
    """Promise that a worker of the shard's queue hears of it; ringing twice is harmless."""
    session.add(Outbox(queue=shard.queue, phase=shard.phase, shard_id=shard.id))


def publish(session: Session, send: Callable[[str, str, str], None]) -> int:
    """Send up to BATCH promises through `send(queue, phase, shard_id)` and forget them; returns how many.

    Rows that another relay holds are passed over. When `send` raises, the transaction rolls back and
    everything is sent again later, so a message may arrive twice and never not at all.
    """
    rows = session.scalars(
        select(Outbox).order_by(Outbox.id).limit(BATCH).with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        send(row.queue, row.phase, row.shard_id)
    session.execute(delete(Outbox).where(Outbox.id.in_([row.id for row in rows])))
    return len(rows)
