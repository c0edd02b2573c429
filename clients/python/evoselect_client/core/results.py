"""What jobs come to, as dictionaries with known members; each may hold more, and a newer service adds some.

docs/openapi.json has the unit and range of each, and says which are always there.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import NotRequired, TypedDict


class RowCounts(TypedDict):
    """Every row accounted for: pool = usable + all that was left out."""

    pool: int
    usable: int
    left_out: dict[str, int]
    target: int
    target_statuses: dict[str, int]


class Diagnostics(TypedDict):
    """Numbers of the solver; each method has more of its own."""

    method: NotRequired[str]
    k: int
    candidates: int
    targets: int
    transport: float
    transport_lower_bound: NotRequired[float | None]
    gap: NotRequired[float | None]
    converged: NotRequired[bool]
    group_shares: dict[str, float]
    metrics: NotRequired[dict[str, dict[str, float]]]
    tradeoff: NotRequired[list[dict[str, float]]]


class Covered(TypedDict):
    """An example of the target, and the cosine of the selected candidate that is nearest to it."""

    id: str
    cosine: float


class SelectionResult(TypedDict):
    """What a selection came to."""

    counts: RowCounts
    rejected: list[dict[str, str]]
    conditioning: str | None
    forms: NotRequired[dict[str, Any] | None]
    features: dict[str, Any]
    near_copies: dict[str, Any] | None
    diagnostics: Diagnostics
    coverage: list[Covered]
    manifest: dict[str, Any]


class TrainingResult(TypedDict):
    """What a training came to."""

    model_id: str
    steps: int
    examples: int
    tokens: int
    answer_tokens: int
    left_out: dict[str, int]
    shortened: int
    loss_history: list[float]
    seconds: float
    tokens_per_second: float


class IndexingResult(TypedDict):
    """What an indexing came to."""

    version: int
    rows: int
    usable: int
    added: int
    left_out: dict[str, int]
    kind: str
    width: int
    cells: int
    probes: int
    recall: float | None
    near_copies: dict[str, int] | None
    size: int


class EvaluationResult(TypedDict):
    """What an evaluation came to: measures of examples, or `tasks`."""

    n: int
    n_choices: NotRequired[int]
    left_out: NotRequired[dict[str, int]]
    accuracy: NotRequired[float | None]
    choice_cross_entropy: NotRequired[float | None]
    answer_nll: NotRequired[float | None]
    exact_match: NotRequired[float | None]
    intervals: NotRequired[dict[str, tuple[float, float] | None]]
    halves: NotRequired[list[dict[str, Any]] | None]
    tasks: NotRequired[dict[str, Any]]


class LoopResult(TypedDict):
    """What a loop came to."""

    stop_reason: str
    rounds: int
    model_id: str
    best_round: int | None
    best_model_id: str | None
    base: EvaluationResult
    best_reported: NotRequired[EvaluationResult | None]
    base_reported: NotRequired[EvaluationResult | None]
    trained_examples: int
