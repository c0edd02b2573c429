"""What jobs come to, as dictionaries with known members; each may hold more, and a newer service adds some.

docs/openapi.json has the unit and range of each.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict


class RowCounts(TypedDict, total=False):
    """Every row accounted for: pool = usable + all that was left out."""

    pool: int
    usable: int
    left_out: dict[str, int]
    target: int
    target_statuses: dict[str, int]


class Diagnostics(TypedDict, total=False):
    """Numbers of the solver; each method has more of its own."""

    method: str
    k: int
    candidates: int
    targets: int
    transport: float
    transport_lower_bound: float | None
    gap: float | None
    converged: bool
    group_shares: dict[str, float]
    metrics: dict[str, dict[str, float]]
    tradeoff: list[dict[str, float]]


class Covered(TypedDict):
    """An example of the target, and the cosine of the selected candidate that is nearest to it."""

    id: str
    cosine: float


class SelectionResult(TypedDict, total=False):
    """What a selection came to."""

    counts: RowCounts
    rejected: list[dict[str, str]]
    conditioning: str | None
    forms: dict[str, Any] | None
    features: dict[str, Any]
    near_copies: dict[str, Any] | None
    diagnostics: Diagnostics
    coverage: list[Covered]
    manifest: dict[str, Any]


class TrainingResult(TypedDict, total=False):
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


class EvaluationResult(TypedDict, total=False):
    """What an evaluation came to: measures of examples, or `tasks`."""

    n: int
    n_choices: int
    left_out: dict[str, int]
    accuracy: float | None
    choice_cross_entropy: float | None
    answer_nll: float | None
    exact_match: float | None
    intervals: dict[str, tuple[float, float] | None]
    halves: list[dict[str, Any]] | None
    tasks: dict[str, Any]


class LoopResult(TypedDict, total=False):
    """What a loop came to."""

    stop_reason: str
    rounds: int
    model_id: str
    best_round: int | None
    best_model_id: str | None
    base: EvaluationResult
    best_reported: EvaluationResult | None
    base_reported: EvaluationResult | None
    trained_examples: int
