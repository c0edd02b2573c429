"""What came of a job or a shard: made by its workers, kept as JSON in the rows.

Kept
+-- SelectionFiles, EvaluationFiles        where the files lie; read of rows of every release
+-- Trained, Healthy, FeaturesResult, ListedResult    what later work reads
+-- Result                                 checked as it is made
    +-- SelectionResult    with Diagnostics, Point (of the trade-off), Measures, Covered, Health
    +-- IndexingResult
    +-- TrainingResult
    +-- EvaluationResult, TasksResult

Numbers are finite, and within the range that their meaning allows.
"""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from store.artifacts import StoredFile
from store.kit.json import Json

ROUNDING = 1e-3  # of float32 sums and of half-precision rows, whose norms are within 0.001 of 1
LARGEST = 2**63 - 1  # what the database keeps as an integer
LOOSENESS = 1e-4  # by which a bound that was computed may lie above what it bounds

Count = Annotated[int, Field(ge=0, le=LARGEST)]
NotNegative = Annotated[float, Field(ge=0.0)]
Share = Annotated[float, Field(ge=-ROUNDING, le=1.0 + ROUNDING)]
Cosine = Annotated[float, Field(ge=-1.0 - 2 * ROUNDING, le=1.0 + 2 * ROUNDING)]
Cost = Annotated[float, Field(ge=-2 * ROUNDING, le=2.0 + 2 * ROUNDING)]
"""1 - cosine."""
Nll = Annotated[float, Field(ge=-ROUNDING)]
"""In nats."""


class Kept(BaseModel):
    """Base of all: frozen; what an older row lacks takes its default."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def of(cls, stored: Mapping[str, object] | None) -> Self:
        """What a row has kept; raises ValidationError for what no release has written."""
        return cls.model_validate(stored or {})

    def stored(self) -> Json:
        """As the row keeps it: what was given."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class SelectionFiles(Kept):
    """The files of a selection; those that a release did not make yet are None."""

    items: StoredFile
    table: StoredFile | None = None
    """The rows of the items, where the whole pool came as one kind of table."""
    near_copies: StoredFile | None = None
    rejected: StoredFile | None = None
    considered: StoredFile | None = None
    report: StoredFile | None = None
    map: StoredFile | None = None
    plane: StoredFile | None = None


def files_of(result: Mapping[str, object] | None) -> SelectionFiles:
    """Those of a completed selection, as its row keeps its result; raises ValidationError for another."""
    return SelectionFiles.model_validate(result.get("artifacts") if isinstance(result, Mapping) else None)


class EvaluationFiles(Kept):
    """The file with a row for each example, or for each question and metric."""

    rows: StoredFile


class Block(Kept):
    """A stored block of features; `cached` where an earlier shard had computed it."""

    key: str
    artifact: str
    sha256: str
    rows: int
    cached: bool = False


class Pace(Kept):
    """Rows that were computed here, and the seconds that took: what later jobs cut their shards by."""

    rows: int
    seconds: float


class BatchCheck(Kept):
    """A trial on a worker's device (workers/features/batching.py): whether a feature depends on its batch."""

    device: str
    """Kind and name."""
    dtype: str
    attention: str
    """That features are computed with: the model's own, or the plain one in its place."""
    difference: NotNegative
    """Between a unit feature alone and in a batch, with this attention: at most the tolerance."""
    tolerance: NotNegative
    refused: str | None = None
    """The model's own attention, where its features depend on their batch here."""


class FeaturesResult(Kept):
    """Of a shard of phase features."""

    blocks: list[Block]
    rows: StoredFile | None = None
    """What is known of each row beside its features; None of a shard that an earlier release computed."""
    pace: Pace | None = None
    outlook: Json = {}
    """What the first shard of candidates found out for all of them; shown in the selection's result."""
    check: BatchCheck | None = None
    """Of the worker's device; None where every block was stored already."""


class ListedResult(Kept):
    """Of a shard of phase sums or lists."""

    file: StoredFile
    kind: str
    """Of release and device: what another kind left is not mixed in."""


class Result(Kept):
    """Base of a job's results; further fields are taken as long as their numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, allow_inf_nan=False)


class Point(Result):
    """Of the trade-off."""

    lam: NotNegative = Field(alias="lambda")
    transport: Cost
    redundancy: Annotated[float, Field(ge=-ROUNDING)]
    residual: NotNegative
    beyond: Share


class Measures(Result):
    """Of a set of k rows."""

    rows: Count
    transport: Cost
    redundancy: NotNegative
    vendi: NotNegative
    coverage: Cosine
    transport_whole: Cost | None = None


class Diagnostics(Result):
    """What holds for every method; methods add their own."""

    k: Count
    candidates: Count
    targets: Count
    bandwidth: NotNegative
    group_shares: dict[str, Share]
    transport: Cost
    transport_lower_bound: Annotated[float, Field(le=2.0 + 2 * ROUNDING)] | None = None
    transport_relaxed: Cost | None = None
    gap: NotNegative | None = None
    rounded_away: Share | None = None
    tradeoff: list[Point] = []
    metrics: dict[str, Measures] = {}

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        bound = self.transport_lower_bound
        costs = [self.transport, self.transport_relaxed, *(point.transport for point in self.tradeoff)]
        below = [
            cost for cost in costs if bound is not None and cost is not None and cost < bound - LOOSENESS
        ]
        if below:
            raise ValueError(f"transport {below[0]} lies below its lower bound {bound}")
        return self


class Counts(Result):
    """Every row accounted for."""

    pool: Count
    usable: Count
    left_out: dict[str, Count]
    target: Count
    target_statuses: dict[str, Count]
    shortened: dict[str, Count] = {}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.pool != self.usable + sum(self.left_out.values()):
            raise ValueError(f"{self.pool} candidates are not {self.usable} usable ones and {self.left_out}")
        if self.target != sum(self.target_statuses.values()):
            raise ValueError(f"{self.target} targets are not {self.target_statuses}")
        return self


class Covered(Result):
    """A target and the cosine of the selected item that is nearest to it."""

    id: str
    cosine: Cosine


class Rejected(Result):
    """A candidate that could not be selected, and why."""

    id: str
    reason: str


class Manifest(Result):
    """What the selection can be made again by."""

    sketch: str
    spec: Json
    match: str
    seed: int
    versions: dict[str, str]


class Rows(Result):
    """What a training on the items comes to, repeats included."""

    rows: Count
    tokens: Count
    sha256: str
    """Equal where the same contents were selected as often, in whatever order."""


class SideHealth(Result):
    """How the candidates, or the selected ones, lie beside the target: evoselect.measures.health."""

    rows: Count
    vendi: NotNegative
    diversity: NotNegative
    coverage: Cosine
    distance: Cost
    length_ratio: NotNegative | None
    opening_share: Share


class Health(Result):
    """Of a round of a loop."""

    candidates: SideHealth
    selected: SideHealth
    target_rows: Count
    target_opening_share: Share


class SelectionResult(Result):
    """Of phase transport. What is a JSON object is shown as it is."""

    counts: Counts
    rejected: list[Rejected] = []
    """The first of them; `artifacts.rejected` has all."""
    conditioning: str | Json | None = None
    forms: Json | None = None
    features: Json = {}
    near_copies: Json | None = None
    diagnostics: Diagnostics
    coverage: list[Covered]
    """Targets, the worst served first."""
    picked: Rows | None = None
    health: Health | None = None
    """Of a selection that is the selected arm of a round; None for others."""
    manifest: Manifest | None = None
    artifacts: SelectionFiles


class Alike(Result):
    """Records that nearly repeat others."""

    clusters: Count
    rows: Count


class IndexingResult(Result):
    """Of phase index. It names no files: those belong to the pool."""

    version: Count
    rows: Count
    usable: Count
    added: Count
    """Rows whose features were read; the others are of the index before."""
    left_out: dict[str, Count]
    kind: str
    """Of the features."""
    width: Count
    cells: Count
    probes: Count
    recall: Share | None
    near_copies: Alike | None
    """None where nobody looked."""
    size: Count

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.rows != self.usable + sum(self.left_out.values()):
            raise ValueError(f"{self.rows} rows are not {self.usable} usable ones and {self.left_out}")
        return self


class Trained(Kept):
    """What a loop reads of a finished training."""

    model_id: str
    steps: int


class Healthy(Kept):
    """What a loop reads of a finished selection; None of one that an earlier release made."""

    health: Health | None = None


class TrainingResult(Result):
    """Of phase train."""

    model_id: str
    steps: Annotated[int, Field(ge=1, le=LARGEST)]
    examples: Count
    tokens: Count
    answer_tokens: Count
    left_out: dict[str, Count]
    shortened: Count
    loss_history: list[Nll]
    seconds: NotNegative
    tokens_per_second: NotNegative


class EvaluationResult(Result):
    """Of phase evaluate on records."""

    n: Count
    n_choices: Count
    left_out: dict[str, Count]
    accuracy: Share | None
    choice_cross_entropy: Nll | None
    answer_nll: Nll | None
    exact_match: Share | None
    intervals: dict[str, tuple[float, float] | None]
    halves: list[Json] | None = None
    """The same numbers of either half of the records, which all models share; None where nobody asked."""
    artifacts: EvaluationFiles


class Metric(Result):
    """A number of a task with its interval, where its questions have the number."""

    value: float
    interval: tuple[float, float] | None = None


class TaskNumbers(Result):
    """Of one of lm-eval's tasks; the questions of a group are counted at its parts."""

    n: Count
    metrics: dict[str, Metric]


class TasksResult(Result):
    """Of phase evaluate on lm-eval's tasks, whose metrics have their own meanings."""

    n: Count
    tasks: dict[str, TaskNumbers]
    artifacts: EvaluationFiles
