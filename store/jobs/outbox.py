"""The promise to notify workers, made in the transaction that creates work and kept after it.

A notification names a queue and nothing else: the worker that gets it claims whatever is fairest there, and
goes on until nothing waits. So a handful is enough for any number of shards, and none of them carries a
payload that another release could misread.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from store.tables.jobs import Outbox
from store.telemetry import traces

BATCH = 500  # rows published per transaction
MOST_NOTIFICATIONS = 32  # at once: as many idle workers start at once, others when they poll


def notify(session: Session, queue: str, shards: int = 1) -> None:
    """Promise that workers of the queue hear of so many shards; notifying twice is harmless."""
    row = {"queue": queue, "traceparent": traces.current()}
    session.execute(insert(Outbox), [row] * min(shards, MOST_NOTIFICATIONS))


def publish(session: Session, send: Callable[[str], None]) -> int:
    """Keep up to BATCH promises through `send(queue)` and forget them; returns how many were sent.

    Rows that another relay holds are passed over. When `send` raises, the transaction rolls back and
    everything is sent again later, so a notification may come twice and is never lost.
    """
    rows = session.scalars(
        select(Outbox).order_by(Outbox.id).limit(BATCH).with_for_update(skip_locked=True)
    ).all()
    if not rows:
        return 0
    notifications = [row for queue in {row.queue for row in rows} for row in _first(rows, queue)]
    for row in notifications:
        with traces.span(f"ring {row.queue}", row.traceparent):
            send(row.queue)
    session.execute(delete(Outbox).where(Outbox.id.in_([row.id for row in rows])))
    return len(notifications)


def _first(rows: Sequence[Outbox], queue: str) -> list[Outbox]:
    return [row for row in rows if row.queue == queue][:MOST_NOTIFICATIONS]
