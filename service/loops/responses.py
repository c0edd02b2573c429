"""What answers about loops look like."""

from datetime import datetime
from typing import Literal

from evoselect.spec.loop import LoopSpec
from service.http.responses import OpenResponseModel, ResponseModel
from service.jobs.responses import Job
from service.models.responses import EvaluationResult


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
    """Why no further round was begun: rounds, no_gain, candidates_exhausted, or a limit of `stop`."""
    rounds: int
    """Rounds that were completed."""
    model_id: str
    """The adapter of the last round."""
    best_round: int | None
    """The round with the least loss."""
    best_model_id: str | None
    """The adapter of that round."""
    base: ArmNumbers
    """How the model was measured that the loop started from."""
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
