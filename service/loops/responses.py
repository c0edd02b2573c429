"""What answers about loops look like."""

from datetime import datetime
from typing import Literal

from evoselect.spec.loop import LoopSpec
from service.http.responses import OpenResponseModel, ResponseModel
from service.jobs.measured import EvaluationNumbers, EvaluationResult
from service.jobs.responses import Job
from service.selections.result_responses import SideHealth


class ArmNumbers(EvaluationResult):
    """The result of an arm's evaluation; empty where it has not come so far."""

    n: int | None = None  # type: ignore[assignment]  # until the evaluation has ended
    """Examples that were scored."""


class Arm(ResponseModel):
    """What one arm of a round has come to; null where it has not come so far."""

    selection_id: str | None
    """Its selection."""
    training_id: str | None
    """Its training."""
    evaluation_id: str | None
    """Its evaluation."""
    model_id: str | None
    """The adapter that it made."""
    evaluation: ArmNumbers
    """How that was measured."""


class Verified(ResponseModel):
    """What a verifier said of a round's candidates, and what that took."""

    scored: int
    """Candidates with a score."""
    unverified: int
    """Candidates left out because no score came for them."""
    mean: float | None
    """Mean score; null without any."""
    auc: float | None
    """Area under the ROC curve on target examples with right and wrong answers; first round alone."""
    own_share: float | None = None
    """Of the target's own examples those that it would let be selected; first round alone."""
    calibrated: int
    """Scores that `auc` is made of."""
    requests: int
    """Requests that were answered."""
    retries: int
    """Tries beyond the first."""
    unanswered: int
    """Requests that got no answer in any try."""
    garbage: int
    """Answers without a score that can be used."""
    contradicting: int
    """Records whose samples lay more than 0.5 apart."""
    prompt_tokens: int
    """Tokens of its prompts."""
    completion_tokens: int
    """Tokens of its answers."""
    cost: float
    """By its prices."""


class Prompts(ResponseModel):
    """How an endpoint was asked."""

    shown: str
    """Which target examples prompts have shown: `uniform`, or `failures` of the last model."""
    offered: int
    """Target examples that they were drawn from."""
    variants: int
    """Different prompts."""
    temperature: float
    """Of the endpoint's sampling."""


class Generated(OpenResponseModel):
    """How a round's candidates were made; each kind of generator has members of its own."""

    candidates: int | None = None
    """Candidates that the round has."""
    prompt_tokens: int | None = None
    """Tokens of prompts that an endpoint was sent."""
    completion_tokens: int | None = None
    """Tokens of answers that it gave."""
    cost: float | None = None
    """By the generator's prices."""
    prompts: Prompts | None = None
    """How its generator was asked; null for candidates that no endpoint has made."""
    verifier: Verified | None = None
    """What its verifier said; null without one."""


class HealthWarning(ResponseModel):
    """What somebody should look at."""

    code: str
    """collapse, template, length_drift, tiny_target, verifier_blind, verifier_strict or forgetting."""
    detail: str
    """The numbers, and what may be done."""


class RoundHealth(ResponseModel):
    """How a round lies beside the target; docs/loops.md has the thresholds of the warnings."""

    candidates: SideHealth
    """All usable candidates."""
    selected: SideHealth
    """Those of them that were selected."""
    target_rows: int
    """Target examples with features."""
    target_opening_share: float
    """The target's own share of its commonest first three words."""
    generated_share: float
    """Of the rows that the round trains on: a pool's count as real, pushed ones as generated."""
    warnings: list[HealthWarning]
    """In the order in which they were found; empty where all is well."""


class Guard(ResponseModel):
    """What a round has done to the examples that must not be forgotten."""

    evaluation_id: str
    """The evaluation of the round's model."""
    loss: str
    """The measure, the first of choice_cross_entropy and answer_nll that there is."""
    base: float
    """The base model's, in nats."""
    base_interval: tuple[float, float] | None
    """95 % interval of it; null for fewer than 2 examples."""
    value: float
    """The round's, in nats."""


class Round(ResponseModel):
    """One turn of a loop."""

    object: Literal["loop.round"]
    """Always `loop.round`."""
    loop_id: str
    """The loop."""
    number: int
    """From 1."""
    state: Literal["generating", "waiting", "running", "completed", "ended"]
    """Waiting: for candidates of yours. Ended: the loop ended before the round did."""
    pool_id: str | None
    """The pool with its candidates; null until there are some."""
    pool_version: int | None
    """The version of that pool."""
    generated: Generated
    """How its candidates were made."""
    health: RoundHealth | None
    """How it lies beside the target; null until it has selected."""
    guard: Guard | None
    """What it has done to the guard's examples; null without a guard, and until it is completed."""
    loss: str | None
    """Which measure the arms are compared by; null until the round is completed."""
    gain: float | None
    """By how much its loss lies below the random arm's, in nats; null without a random arm."""
    arms: dict[str, Arm]
    """By name: `selected`, and `random` where the loop has one."""
    created_at: datetime
    """When it began."""
    completed_at: datetime | None
    """When all its arms were evaluated; null before."""


class LoopResult(OpenResponseModel):
    """What a loop came to."""

    stop_reason: str
    """Why it ended: rounds, no_gain, forgetting, candidates_exhausted, or a limit of `stop`."""
    rounds: int
    """Rounds that were completed."""
    model_id: str
    """The adapter of the last round."""
    best_round: int | None
    """The round with the least loss on one half of the evaluation examples."""
    best_model_id: str | None
    """The adapter of that round."""
    base: ArmNumbers
    """How the model was measured that the loop started from."""
    best_reported: EvaluationNumbers | None = None
    """The best round's numbers on the half that it was not chosen on; null where it was chosen on all."""
    base_reported: EvaluationNumbers | None = None
    """The base model's on that half."""
    trained_examples: int
    """Examples that all arms trained on."""


class LoopRequested(OpenResponseModel):
    """What a loop was asked: all settings that were used."""

    target_id: str
    """What its rounds select for."""
    evaluation_target_id: str
    """What its models are measured on."""
    base_model: str
    """The model that it starts from."""
    spec: LoopSpec
    """Its settings."""


class Loop(Job):
    """A job that runs rounds of generate, select, train and evaluate."""

    object: Literal["loop"]
    """Always `loop`."""
    request: LoopRequested
    """What it was asked."""
    result: LoopResult | None
    """What it came to; null until it is completed."""
