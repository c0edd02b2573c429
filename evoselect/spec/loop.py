"""How a loop of rounds is run: generate, select, train, evaluate, again."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evoselect.spec.features import FeatureSpec
from evoselect.spec.selection import SelectionSpec
from evoselect.spec.training import EvaluationSpec, TrainingSpec

MAX_ROUNDS = 100
CURRENT = "current"  # as `proxy`: the model that the round before has trained


class Part(BaseModel):
    """Base of the settings: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PoolGenerator(Part):
    """Candidates are drawn from a fixed pool."""

    kind: Literal["pool"]
    pool_id: str = Field(min_length=1, max_length=64)
    pool_version: int | None = Field(default=None, ge=0, le=2**63 - 1)
    """None takes the newest at the loop's start."""
    size: int | None = Field(default=None, ge=1, le=10_000_000)
    """Candidates of a round, drawn without putting back; None offers the whole pool in every round."""


class PushGenerator(Part):
    """The client sends the candidates of each round."""

    kind: Literal["push"]


class OpenAIGenerator(Part):
    """Candidates are asked of an OpenAI-compatible endpoint, by examples of the target."""

    kind: Literal["openai"]
    endpoint: str | None = Field(default=None, min_length=1, max_length=64)
    """Alias of the operator's list, which has its URL and its key; or else `url`."""
    url: str | None = Field(default=None, min_length=1, max_length=2048)
    """Base URL of an endpoint that wants no key, such as https://host/v1."""
    model: str = Field(min_length=1, max_length=256)
    """The endpoint's name of its model."""
    size: int = Field(ge=1, le=1_000_000)
    """Candidates of a round."""
    per_request: int = Field(default=5, ge=1, le=100)
    """Candidates asked for at once."""
    examples: int = Field(default=4, ge=1, le=64)
    """Target examples shown in each prompt, drawn anew."""
    temperature: float = Field(default=1.0, ge=0.0, le=2.0)
    max_tokens: int = Field(default=1024, ge=1, le=65_536)
    """Of one answer."""
    concurrency: int = Field(default=4, ge=1, le=64)
    """Requests under way at the same time."""
    requests_per_minute: float | None = Field(default=None, gt=0.0, le=1e6)
    seconds: float = Field(default=60.0, gt=0.0, le=600.0)
    """How long an answer may take."""
    prompt_price: float = Field(default=0.0, ge=0.0, le=1e6)
    """Of a million tokens of prompts, in a currency of yours; what was spent is added up."""
    completion_price: float = Field(default=0.0, ge=0.0, le=1e6)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.endpoint is None) == (self.url is None):
            raise ValueError("send exactly one of endpoint (an alias of the operator's) and url")
        return self


Generator = Annotated[PoolGenerator | PushGenerator | OpenAIGenerator, Field(discriminator="kind")]


class Stop(Part):
    """When a loop ends before its last round."""

    patience: int | None = Field(default=None, ge=1, le=MAX_ROUNDS)
    """So many rounds in a row without a gain over the random arm end it; None never does."""
    min_gain: float = Field(default=0.0, ge=0.0, le=1e6)
    """Nats by which the loss must be below the random arm's to count as a gain."""
    seconds: float | None = Field(default=None, gt=0.0, le=1e9)
    """No round is begun later than this after the loop was accepted."""
    generated_tokens: int | None = Field(default=None, ge=1, le=2**63 - 1)
    """Nothing more is generated once prompts and answers had so many tokens."""
    cost: float | None = Field(default=None, gt=0.0, le=1e12)
    """Nothing more is generated once it has cost so much, by the generator's prices."""
    trained_examples: int | None = Field(default=None, ge=1, le=2**63 - 1)
    """No round is begun once so many examples were trained on, all arms together."""


class LoopSpec(Part):
    """Settings of a loop; what is left out takes the recommended value."""

    generator: Generator
    k: int | None = Field(default=None, ge=1, le=2**63 - 1)
    """Candidates to select in a round; exactly one of k and ratio."""
    ratio: float | None = Field(default=None, gt=0.0, le=1.0)
    rounds: int = Field(default=2, ge=1, le=MAX_ROUNDS)
    proxy: str = Field(default=CURRENT, min_length=1, max_length=256)
    """Whose gradients the features are: `current` for the last round's model, or one model for all rounds."""
    consume_once: bool = True
    """What a round has selected is not offered to later ones."""
    random_arm: bool = False
    """Train and evaluate as many candidates drawn at random beside each round."""
    selection: SelectionSpec = SelectionSpec()
    features: FeatureSpec = FeatureSpec()
    training: TrainingSpec = TrainingSpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    stop: Stop = Stop()
    seed: int = Field(default=0, ge=0, le=2**62)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.k is None) == (self.ratio is None):
            raise ValueError(f"k is {self.k} and ratio is {self.ratio}: send exactly one of them")
        if self.stop.patience is not None and not self.random_arm:
            raise ValueError("stop.patience compares with the random arm: set random_arm to true")
        if self.features.kind == "provided" or self.features.checkpoints:
            raise ValueError("a loop computes its features with one model: leave kind and checkpoints out")
        return self
