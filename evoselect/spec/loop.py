"""How a loop of rounds is run: generate, select, train, evaluate, again."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from evoselect.spec.features import FeatureSpec
from evoselect.spec.fields import MAX_WHOLE, Bounded, Flag, Id, Real, ShortText, Text, Whole
from evoselect.spec.selection import SelectionSpec
from evoselect.spec.training import EvaluationSpec, TrainingSpec
from evoselect.spec.verifier import LEAST_QUALITY, Verifier

MAX_ROUNDS = 100
CURRENT = "current"  # as `proxy`: the model that the round before has trained


class PoolGenerator(Bounded):
    """Candidates are drawn from a fixed pool."""

    kind: Literal["pool"]
    """Always `pool`."""
    pool_id: Id
    """The pool that candidates are drawn from."""
    pool_version: Annotated[int, Whole(0)] | None = None
    """None takes the newest at the loop's start."""
    size: Annotated[int, Whole(1, 10_000_000)] | None = None
    """Candidates of a round, drawn without putting back; None offers the whole pool in every round."""


class PushGenerator(Bounded):
    """The client sends the candidates of each round."""

    kind: Literal["push"]
    """Always `push`."""


class OpenAIGenerator(Bounded):
    """Candidates are asked of an OpenAI-compatible endpoint, by examples of the target."""

    kind: Literal["openai"]
    """Always `openai`."""
    endpoint: Id | None = None
    """Alias of the operator's list, which has its URL and its key; or else `url`."""
    url: Annotated[str, Text(1, 2048, printable=True)] | None = None
    """Base URL of an endpoint that wants no key, such as https://host/v1."""
    model: ShortText
    """The endpoint's name of its model."""
    size: Annotated[int, Whole(1, 1_000_000)]
    """Candidates of a round."""
    per_request: Annotated[int, Whole(1, 100)] = 5
    """Candidates asked for at once."""
    examples: Annotated[int, Whole(1, 64)] = 4
    """Target examples shown in each prompt, drawn anew."""
    prompts_from: Literal["uniform", "failures"] = "uniform"
    """Which of them: any, or from round 2 on those that the model of the round before does worst on."""
    temperature: Annotated[float, Real(ge=0.0, le=2.0)] = 1.0
    """Of its sampling, 0 to 2."""
    max_tokens: Annotated[int, Whole(1, 65_536)] = 1024
    """Of one answer."""
    concurrency: Annotated[int, Whole(1, 64)] = 4
    """Requests under way at the same time."""
    requests_per_minute: Annotated[float, Real(gt=0.0, le=1e6)] | None = None
    """Requests begun a minute at most; null sets no limit."""
    seconds: Annotated[float, Real(gt=0.0, le=600.0)] = 60.0
    """How long an answer may take."""
    prompt_price: Annotated[float, Real(ge=0.0, le=1e6)] = 0.0
    """Of a million tokens of prompts, in a currency of yours; what was spent is added up."""
    completion_price: Annotated[float, Real(ge=0.0, le=1e6)] = 0.0
    """Of a million tokens of answers, in the same currency."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.endpoint is None) == (self.url is None):
            raise ValueError("send exactly one of endpoint (an alias of the operator's) and url")
        return self


Generator = Annotated[PoolGenerator | PushGenerator | OpenAIGenerator, Field(discriminator="kind")]


class Stop(Bounded):
    """When a loop ends before its last round."""

    patience: Annotated[int, Whole(1, MAX_ROUNDS)] | None = None
    """So many rounds in a row without a gain over the random arm end it; None never does."""
    min_gain: Annotated[float, Real(ge=0.0, le=1e6)] = 0.0
    """Nats by which the loss must be below the random arm's to count as a gain."""
    seconds: Annotated[float, Real(gt=0.0, le=1e9)] | None = None
    """No round is begun later than this after the loop was accepted."""
    generated_tokens: Annotated[int, Whole(1)] | None = None
    """Nothing more is generated once prompts and answers had so many tokens."""
    cost: Annotated[float, Real(gt=0.0, le=1e12)] | None = None
    """Nothing more is generated once it has cost so much, by the generator's prices."""
    trained_examples: Annotated[int, Whole(1)] | None = None
    """No round is begun once so many examples were trained on, all arms together."""
    guard_rise: Annotated[float, Real(ge=0.0, le=1e6)] | None = None
    """Nats that the loss on the guard's examples may lie above the base model's; more ends it. None warns."""


class LoopSpec(Bounded):
    """Settings of a loop; what is left out takes the recommended value."""

    generator: Generator
    """Where the candidates of each round come from."""
    verifier: Verifier | None = None
    """Who gives each candidate its `quality` before it may be selected; None takes them unchecked."""
    k: Annotated[int, Whole(1)] | None = None
    """Candidates to select in a round; exactly one of k and ratio."""
    ratio: Annotated[float, Real(gt=0.0, le=1.0)] | None = None
    """Share of a round's candidates to select, above 0 and at most 1; exactly one of k and ratio."""
    rounds: Annotated[int, Whole(1, MAX_ROUNDS)] = 2
    """Rounds at most, 1 to 100."""
    proxy: ShortText = CURRENT
    """Whose gradients the features are: `current` for the last round's model, or one model for all rounds."""
    consume_once: Flag = True
    """What a round has selected is not offered to later ones."""
    random_arm: Flag = False
    """Train and evaluate as many candidates drawn at random beside each round."""
    anchor_share: Annotated[float, Real(ge=0.0, le=0.9)] = 0.0
    """Share of each training's rows that is drawn from the target's own examples, beside the selected."""
    guard_target_id: Id | None = None
    """Examples of what must not be forgotten: the base model and each round's are measured on them."""
    selection: SelectionSpec = SelectionSpec()
    """How each round selects."""
    features: FeatureSpec = FeatureSpec()
    """What each round compares candidates by."""
    training: TrainingSpec = TrainingSpec()
    """How each round trains."""
    evaluation: EvaluationSpec = EvaluationSpec()
    """How each round is measured."""
    stop: Stop = Stop()
    """When it ends before its last round."""
    seed: Annotated[int, Whole(0, MAX_WHOLE - MAX_ROUNDS)] = 0
    """Round r uses seed + r - 1."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.k is None) == (self.ratio is None):
            raise ValueError(f"k is {self.k} and ratio is {self.ratio}: send exactly one of them")
        if self.stop.patience is not None and not self.random_arm:
            raise ValueError("stop.patience compares with the random arm: set random_arm to true")
        if self.stop.guard_rise is not None and self.guard_target_id is None:
            raise ValueError("stop.guard_rise compares on the guard's examples: set guard_target_id")
        if self.verifier is not None:
            _require_made(self.generator)
        if self.features.kind == "provided" or self.features.checkpoints:
            raise ValueError("a loop computes its features with one model: leave kind and checkpoints out")
        if self.features.funnel is not None:
            raise ValueError("a loop looks at the health of all candidates of a round: leave funnel out")
        return self

    @property
    def selecting(self) -> SelectionSpec:
        """How a round selects: with a verifier not below LEAST_QUALITY, where nothing else is said."""
        if self.verifier is None or self.selection.least_quality is not None:
            return self.selection
        return self.selection.model_copy(update={"least_quality": LEAST_QUALITY})

    def anchors(self, selected: int) -> int:
        """Rows of the target beside so many selected ones, so that they are `anchor_share` of all."""
        return round(selected * self.anchor_share / (1.0 - self.anchor_share))


def _require_made(generator: PoolGenerator | PushGenerator | OpenAIGenerator) -> None:
    """Raise ValueError where a loop makes no candidates that a verifier could check."""
    if isinstance(generator, PushGenerator):
        raise ValueError("a verifier checks what a loop makes: send pushed candidates with a quality")
    if isinstance(generator, PoolGenerator) and generator.size is None:
        raise ValueError("a verifier checks the candidates of a round: set generator.size")
