"""The settings that requests take, as dictionaries with known members; what is left out takes its default.

docs/openapi.json has the unit, range and default of each.
"""

from __future__ import annotations

from typing import (
    Any,
    Literal,
    TypeAlias,  # pydantic depends on it
)

from typing_extensions import Required, TypedDict

Method = Literal[
    "capacity",
    "exponentiated",
    "random",
    "all",
    "mean_cosine",
    "less",
    "max_cosine",
    "round_robin",
    "tsds",
    "tsds_uniform",
    "tarot",
    "unbalanced_ot",
    "gotd",
    "diversity",
    "attribution_diversity",
    "facility_location",
    "dsir",
]
OnLong = Literal["drop", "truncate_prompt_left", "truncate_answer", "split_turns"]
Turns = Literal["all", "last"]
Dtype = Literal["auto", "float32", "bfloat16"]
Auto = Literal["auto"]


class HeldOut(TypedDict, total=False):
    """A share of the target examples that is kept apart."""

    ratio: Required[float]
    seed: int


class Balance(TypedDict, total=False):
    """Bounds on what is selected of each group of candidates."""

    by: Required[str]
    shares: dict[str, float]
    min: dict[str, int]
    max: dict[str, int]


class NearCopies(TypedDict, total=False):
    """What is done about candidates that nearly repeat one another, or a target."""

    against: list[str]
    leaks: Literal["flag", "drop"]
    within: Literal["flag", "drop"]
    threshold: float
    same_text: bool


_Lambda = TypedDict("_Lambda", {"lambda": float | Auto}, total=False)


class SelectionSpec(_Lambda, total=False):
    """How candidates are chosen; its member `lambda` is the weight of redundancy."""

    method: Method
    epsilon: float | Auto | None
    energy: Literal["local", "linear", "squared"] | None
    group_mode: Literal["mean", "max", "quota"]
    quotas: dict[str, float] | None
    least_quality: float | None
    balance: Balance | None
    near_copies: NearCopies | None
    alpha: float
    step_size: float
    iterations: int
    tolerance: float
    max_iterations: int
    tradeoff: bool
    repeat_budget: int | None
    as_released: bool


class Checkpoint(TypedDict, total=False):
    """One of several models whose gradients count together."""

    model: Required[str]
    weight: float


class Funnel(TypedDict, total=False):
    """Which candidates' features are computed: the nearest to each target by a cheap look at all."""

    share: float
    by: Literal["words"]


class FeatureSpec(TypedDict, total=False):
    """What candidates are compared by."""

    kind: Literal["gradient", "hidden", "combined", "provided"]
    rendering: Literal["plain", "chat", "auto"]
    turns: Turns
    on_long: OnLong
    hidden_weighting: Literal["mean", "position"]
    hidden_share: float
    hidden_conditioning: Literal["none", "centred", "whitened"]
    layers: str
    modules: str | list[str]
    positions: Literal["answer", "all"]
    sketch: Literal["gaussian", "sparse"]
    dim: int
    sketch_in: int
    sketch_out: int
    seed: int
    checkpoints: list[Checkpoint]
    precondition: Literal["none", "adam"]
    dtype: Dtype
    max_length: int | None
    batch_tokens: int | None
    conditioning: Literal["none", "centred", "whitened"]
    shrinkage: float
    match: Literal["both", "content"]
    on_bad_row: Literal["reject", "skip"]
    allow_partial: bool
    keep_features: bool
    funnel: Funnel | None


class FeatureFiles(TypedDict):
    """Ids of files with matrices of yours, in the order of the records."""

    target: str
    pool: str


class TrainingSpec(TypedDict, total=False):
    """How a LoRA adapter is trained; give `epochs` or `max_steps`."""

    epochs: float | None
    max_steps: int | None
    learning_rate: float
    warmup_ratio: float
    batch_size: int
    micro_batch_size: int | None
    weight_decay: float
    max_grad_norm: float
    lora_rank: int
    lora_alpha: float
    lora_dropout: float
    dtype: Dtype
    max_length: int | None
    turns: Turns | None
    on_long: OnLong | None


class EvaluationSpec(TypedDict, total=False):
    """How a model is measured."""

    dtype: Dtype
    max_length: int | None
    batch_tokens: int
    generate: bool


class PoolGenerator(TypedDict, total=False):
    """Candidates are drawn from a pool."""

    kind: Required[Literal["pool"]]
    pool_id: Required[str]
    pool_version: int | None
    size: int | None


class PushGenerator(TypedDict):
    """You send the candidates of each round."""

    kind: Literal["push"]


class OpenAIGenerator(TypedDict, total=False):
    """Candidates are asked of an OpenAI-compatible endpoint."""

    kind: Required[Literal["openai"]]
    endpoint: str | None
    url: str | None
    model: Required[str]
    size: Required[int]
    per_request: int
    examples: int
    prompts_from: Literal["uniform", "failures"]
    temperature: float
    max_tokens: int
    concurrency: int
    requests_per_minute: float | None
    seconds: float
    prompt_price: float
    completion_price: float


Generator: TypeAlias = "PoolGenerator | PushGenerator | OpenAIGenerator"


class _Called(TypedDict, total=False):
    """Where a verifier is, how fast it is asked, and how much of the target it is tried on."""

    endpoint: str | None
    url: str | None
    concurrency: int
    requests_per_minute: float | None
    seconds: float
    calibration: int


class _Modelled(_Called, total=False):
    """A verifier that asks a model."""

    model: Required[str]
    max_tokens: int
    samples: int
    temperature: float
    prompt_price: float
    completion_price: float


class JudgeVerifier(_Modelled, total=False):
    """A model reads each record and says how right it is."""

    kind: Required[Literal["judge"]]
    rubric: str


class AgreementVerifier(_Modelled, total=False):
    """A model answers each prompt several times; the score is the share like the record's answer."""

    kind: Required[Literal["agreement"]]
    examples: int


class HookVerifier(_Called, total=False):
    """A service of yours scores records."""

    kind: Required[Literal["hook"]]
    per_request: int


class RegexVerifier(TypedDict, total=False):
    """An answer that the expression matches as a whole is right."""

    kind: Required[Literal["regex"]]
    pattern: Required[str]
    calibration: int


class SchemaVerifier(TypedDict, total=False):
    """An answer that is JSON as the schema wants it is right."""

    kind: Required[Literal["json_schema"]]
    schema: Required[dict[str, Any]]
    calibration: int


Verifier: TypeAlias = "JudgeVerifier | AgreementVerifier | HookVerifier | RegexVerifier | SchemaVerifier"


class Stop(TypedDict, total=False):
    """When a loop ends before its last round."""

    patience: int | None
    min_gain: float
    seconds: float | None
    generated_tokens: int | None
    cost: float | None
    trained_examples: int | None
    guard_rise: float | None
