"""Which shards a job needs, phase by phase. Pure: rows in, shard plans out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from store.states import JobKind

FIRST_PHASE = {JobKind.SELECTION: "features", JobKind.TRAINING: "train", JobKind.EVALUATION: "evaluate"}
NEXT_PHASE = {"features": "transport"}
QUEUE = {"features": "features", "transport": "select", "train": "train", "evaluate": "train"}


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """One shard to insert: who runs it, on what, over how many rows."""

    phase: str
    index: int
    rows: int
    payload: dict[str, Any] = field(default_factory=dict)

    @property
    def queue(self) -> str:
        """The Celery queue that serves the phase."""
        return QUEUE[self.phase]


@dataclass(frozen=True, slots=True)
class Source:
    """A stored Parquet file of records that features are wanted for."""

    role: str
    """target | pool"""
    artifact: str
    sha256: str
    rows: int


def feature_shards(sources: Iterable[Source], shard_rows: int) -> list[ShardPlan]:
    """Cut every source into runs of at most `shard_rows` rows; a shard never spans two files."""
    plans: list[ShardPlan] = []
    for source in sources:
        for start in range(0, source.rows, shard_rows):
            stop = min(start + shard_rows, source.rows)
            payload = {
                "role": source.role,
                "artifact": source.artifact,
                "sha256": source.sha256,
                "start": start,
                "stop": stop,
                "first": not any(plan.payload["role"] == source.role for plan in plans),
            }
            plans.append(ShardPlan("features", len(plans), stop - start, payload))
    return plans


def single_shard(phase: str, rows: int) -> list[ShardPlan]:
    """A phase that one worker does alone."""
    return [ShardPlan(phase, 0, rows)]


def next_phase(phase: str, rows: int) -> list[ShardPlan]:
    """The shards that follow once `phase` is wholly done; empty when the job is complete."""
    following = NEXT_PHASE.get(phase)
    return single_shard(following, rows) if following else []
