"""How much work waits and runs, over all tenants: what an operator scales and alarms by."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from store.tables.accounts import WebhookDelivery
from store.tables.jobs import OPEN, Job, Outbox, Shard
from store.tables.states import ShardState


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number by the values of its labels."""

    name: str
    about: str
    labels: tuple[str, ...]
    values: dict[tuple[str, ...], float]


def read(session: Session) -> list[Gauge]:
    """Open jobs, unfinished shards, the oldest waiting shard of each queue, messages that wait to be sent."""
    jobs = select(Job.kind, Job.status, func.count()).where(text(OPEN)).group_by(Job.kind, Job.status)
    unfinished = Shard.state.in_([ShardState.READY, ShardState.RUNNING])
    shards = select(Shard.queue, Shard.state, func.count()).where(unfinished)
    waited = func.extract("epoch", func.clock_timestamp() - func.min(Shard.available_at))
    oldest = select(Shard.queue, func.greatest(0, waited)).where(Shard.state == ShardState.READY)
    promised = select(func.count()).select_from(Outbox)
    webhooks = select(func.count()).select_from(WebhookDelivery).where(WebhookDelivery.state == "pending")
    return [
        Gauge("open_jobs", "Jobs that have not ended.", ("kind", "status"), _by_labels(session, jobs)),
        Gauge(
            "unfinished_shards",
            "Shards that wait or run.",
            ("queue", "state"),
            _by_labels(session, shards.group_by(Shard.queue, Shard.state)),
        ),
        Gauge(
            "oldest_waiting_shard_seconds",
            "How long the longest waiting shard of a queue has waited.",
            ("queue",),
            _by_labels(session, oldest.group_by(Shard.queue)),
        ),
        Gauge("outbox_rows", "Notifications that are not sent yet.", (), _single(session, promised)),
        Gauge("pending_webhooks", "Webhook deliveries that wait.", (), _single(session, webhooks)),
    ]


def _by_labels(session: Session, query: Select[*tuple[Any, ...]]) -> dict[tuple[str, ...], float]:
    return {tuple(map(str, labels)): float(value) for *labels, value in session.execute(query)}


def _single(session: Session, query: Select[int]) -> dict[tuple[str, ...], float]:
    return {(): float(session.scalar(query) or 0)}
