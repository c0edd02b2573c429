"""Which shards a job needs, phase by phase. Pure: rows in, shard plans out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict

from store.artifacts import StoredFile
from store.data.sources import Source
from store.errors import StoreError
from store.tables.states import JobKind

FIRST_PHASE = {
    JobKind.SELECTION: "features",
    JobKind.TRAINING: "train",
    JobKind.EVALUATION: "evaluate",
    JobKind.LOOP: "advance",
    JobKind.COMPARISON: "compare",
    JobKind.INDEXING: "features",
}
NEXT_PHASE = {
    JobKind.SELECTION: {"features": "transport", "sums": "transport", "lists": "transport"},
    JobKind.INDEXING: {"features": "index"},
}
PAYLOAD_VERSION = 2  # of request and payload; a worker leaves shards of a later one to a later release
COMMON_VERSION = 1  # which every release that still runs knows
MATRIX_VERSION = 2  # a shard of phase sums or lists may be rows of a matrix that was sent
QUEUE = {
    "features": "features",
    "sums": "features",
    "lists": "features",
    "transport": "select",
    "train": "train",
    "evaluate": "train",
    "advance": "ops",
    "compare": "ops",
    "generate": "generate",
    "judge": "select",
    "index": "select",
}
FORMER_QUEUE = {"generate": "ops"}  # where an earlier release put shards of a phase; they still run


class FeaturePart(BaseModel):
    """The payload of a shard of phase features: a run of the records of one stored file."""

    model_config = ConfigDict(frozen=True)

    role: str
    """Whose records: target or pool."""
    artifact: str
    sha256: str
    start: int
    stop: int
    checkpoint: int
    """The place among the models that are computed at."""
    first: bool
    """Whether it is the first one of its role: it speaks for all of them."""
    of: int
    """Records of the role."""
    funnel: StoredFile | None = None
    """Which candidates went through the funnel, where there is one: the file of records holds these alone."""


class MatrixPart(BaseModel):
    """Rows of a stored matrix that follow each other, as they lie in its file."""

    model_config = ConfigDict(frozen=True)

    path: str
    offset: int
    """Bytes of the file before the first of the rows."""
    rows: int
    width: int
    dtype: Literal["float16", "float32"]
    sha256: str
    """Of the bytes of these rows."""


class ListedPart(BaseModel):
    """The payload of a shard of phase sums or lists: the usable ones of some rows that follow each other."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    """Hash of all that the answer depends on: features of targets and candidates, settings, release."""
    features: tuple[str, ...] = ()
    """The feature shards of these rows, in the order of the checkpoints; none of a matrix."""
    matrix: MatrixPart | None = None
    """Where the features lie that were sent."""
    rows: StoredFile
    """Which of their rows are usable, and what else is asked of each."""
    first: int
    """Usable candidates before them."""
    of: int
    """Usable candidates of the pool."""
    forms: int = 1
    """Forms that are told apart."""
    step: int = 1
    """Every how many usable candidates one is in the sample that names the first prices."""
    copies: StoredFile | None = None
    """The near-copies that were found among the candidates, so that they are looked for once."""
    seen: StoredFile | None = None
    """What is known of all rows of a matrix that was sent, so that it is read through once."""
    fitted: StoredFile | None = None
    questions: StoredFile | None = None


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """One shard to insert: who runs it, on what, over how many rows."""

    phase: str
    index: int
    rows: int
    payload: Mapping[str, object] = field(default_factory=dict)
    version: int = COMMON_VERSION

    @property
    def queue(self) -> str:
        """The Celery queue that serves the phase."""
        return QUEUE[self.phase]


def places(queues: Sequence[str], phases: Collection[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Where a worker of these queues looks for work: a queue, and which of its phases are the worker's.

    A phase has one queue, so that what takes hours holds up nothing else; shards that still lie in its
    former one are taken there by the same workers.
    """
    found: list[tuple[str, tuple[str, ...]]] = []
    for queue in queues:
        own = tuple(phase for phase in phases if QUEUE[phase] == queue)
        found += [(queue, own)] if own else []
        found += [(FORMER_QUEUE[phase], (phase,)) for phase in own if phase in FORMER_QUEUE]
    return found


def feature_shards(
    sources: Sequence[Source],
    shard_rows: int,
    checkpoints: int = 1,
    *,
    funnel: StoredFile | None = None,
    before: int = 0,
) -> list[ShardPlan]:
    """Cut every source into runs of at most `shard_rows` rows; a shard never spans two files.

    All rows of one checkpoint come before those of the next, so that workers seldom load another model. So
    many shards of the phase are there `before` them.
    """
    plans: list[ShardPlan] = []
    seen: set[str] = set()
    for checkpoint in range(checkpoints):
        for source in sources:
            for start in range(0, source.rows, shard_rows):
                stop = min(start + shard_rows, source.rows)
                part = FeaturePart(
                    role=source.role,
                    artifact=source.artifact,
                    sha256=source.sha256,
                    start=start,
                    stop=stop,
                    checkpoint=checkpoint,
                    first=source.role not in seen,
                    of=sum(other.rows for other in sources if other.role == source.role),
                    funnel=funnel,
                )
                seen.add(source.role)
                payload = part.model_dump(mode="json", exclude_none=True)
                plans.append(ShardPlan("features", before + len(plans), stop - start, payload))
    return plans


class Wanted(StoreError):
    """A phase cannot go on before these shards are done: then it starts anew."""

    def __init__(self, plans: Sequence[ShardPlan]) -> None:
        super().__init__(f"{len(plans)} shards of phase {plans[0].phase} have to be done first")
        self.plans = plans


def single_shard(phase: str, rows: int) -> list[ShardPlan]:
    """A phase that one worker does alone."""
    return [ShardPlan(phase, 0, rows)]


def next_phase(kind: JobKind, phase: str, rows: int) -> list[ShardPlan]:
    """The shards that follow once `phase` is wholly done; empty when the job is complete."""
    following = NEXT_PHASE.get(kind, {}).get(phase)
    return single_shard(following, rows) if following else []
