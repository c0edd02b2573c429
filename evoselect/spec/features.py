"""What a record's features are: everything here changes the numbers, and is part of their fingerprint."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from evoselect.spec.fields import Bounded, Flag, Real, Seed, ShortText, Text, Whole
from evoselect.spec.funnel import Funnel
from evoselect.spec.reading import OnLong, Reading, Rendering, Turns

LAYERS = re.compile(r"all|(top|every)-([1-9]\d{0,3})")
EVERY_MODULE = "*"
GLOBS = re.compile(r"[\w*?\[\]!-]+(\|[\w*?\[\]!-]+)*", re.ASCII)
MODULE_NAMES = 64  # names or globs at most
MODULES_LENGTH = 1024  # characters of all of them at most
# The numbers of all mixing matrices together, 4 bytes each: see evoselect.gradients.projection.
MOST_MIXED = 2**30


def _joined(value: object) -> object:
    """A list of names as one text."""
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return "|".join(value)
    return value


_TEXT = {"type": "string", "minLength": 1, "maxLength": MODULES_LENGTH}
Modules = Annotated[
    str,
    BeforeValidator(_joined),
    Field(min_length=1, max_length=MODULES_LENGTH),
    WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "maxItems": MODULE_NAMES}]}),
]


class Checkpoint(Bounded):
    """One of several models whose gradients count together, as in LESS over a training's checkpoints."""

    model: ShortText
    """Alias of a model, or the id of an adapter that a training made."""
    weight: Annotated[float, Real(gt=0.0, le=1e6)] = 1.0
    """What its cosines count for, such as the learning rate there; only the ratios matter."""


class FeatureSpec(Bounded):
    """Settings of one feature extraction; the defaults are the measured choice."""

    kind: Literal["gradient", "hidden", "combined", "provided"] = "gradient"
    """Gradient of the mean answer-token loss; the mean last hidden state (about the cost of a forward pass);
    both side by side, from one pass; or a matrix of the user's, which is only conditioned. Where ``match`` is
    content, the default is combined.
    """
    rendering: Rendering = "plain"
    """What the proxy sees of a record with prompt and completion: they as they stand, or one turn of the user
    and one of the assistant in its chat template; auto takes the template where the model has one.
    """
    turns: Turns = "all"
    """Which turns of the assistant in a chat are learnt: all but those of weight 0, or the last one alone."""
    on_long: OnLong = "drop"
    """What becomes of a record with more than max_length tokens: it is left out, or shortened. The first ones
    of its prompt go, or the last ones of its answer, or the last turns of a chat, so that whole answers stay.
    """
    hidden_weighting: Literal["mean", "position"] = "mean"
    """How a hidden state counts: every token the same, or later ones more (token t of n by t, as in RDS+)."""
    hidden_share: Annotated[float, Real(gt=0.0, lt=1.0)] = 0.5
    """Of kind ``combined``: the share of the hidden states in every cosine; the gradients have the rest."""
    hidden_conditioning: Literal["none", "centred", "whitened"] = "whitened"
    """Of kind ``combined``: what ``conditioning`` is for the gradients, for the hidden states."""
    layers: Annotated[str, Text(1, 16)] = "all"
    """Which decoder layers: all | top-N | every-N (counted from the top)."""
    modules: Modules = EVERY_MODULE
    """Names or globs for the last part of a module's name, separated by | or as a list, which is kept as one
    text: which linear layers of a decoder layer.
    """
    positions: Literal["answer", "all"] = "answer"
    """Positions whose outer products count: the answer's (the prompt is a constant cache), or every one."""
    sketch: Literal["gaussian", "sparse"] = "gaussian"
    """How gradients are projected to few numbers: by normal numbers, or by signs at a few places."""
    dim: Annotated[int, Whole(1, 2**20)] = 8192
    """Numbers of a row at most: every chosen module gets an equal share, rounded down."""
    sketch_in: Annotated[int, Whole(1, 1024)] = 24
    """Columns that a module's input is projected to first; the outcome is then brought down to dim."""
    sketch_out: Annotated[int, Whole(1, 1024)] = 24
    """Columns that a module's output gradient is projected to; more columns, less noise, more time."""
    seed: Seed = 0
    """Of the projection; features of different seeds cannot be compared."""
    checkpoints: tuple[Checkpoint, ...] = Field(default=(), max_length=16)
    """Models whose features are put side by side by weight, in place of the selection's one model."""
    precondition: Literal["none", "adam"] = "none"
    """adam: gradients of an adapter's own weights, scaled by the second moments that its training left."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the model's arithmetic; auto takes the one that this machine was measured to be faster with."""
    max_length: Annotated[int, Whole(2)] | None = None
    """Longest prompt + answer in tokens; None takes the model's window. Longer records: see on_long."""
    batch_tokens: Annotated[int, Whole(16)] | None = None
    """Budget of a micro-batch in tokens, padding included, where a token in the graph counts three times.

    None takes 4,096 on a CPU and 65,536 on a GPU. A batch is halved where memory does not suffice.
    """
    conditioning: Literal["none", "centred", "whitened"] = "centred"
    """What follows the normalisation of each module's block; see evoselect.representations.conditioning."""
    shrinkage: Annotated[float, Real(gt=0.0, le=1e9)] = 10.0
    """Of whitening, in units of the mean squared singular value."""
    match: Literal["both", "content"] = "both"
    """What makes two records alike: form and content, or content alone, where what the form of a prompt adds
    to its features is taken out; see evoselect.representations.forms.
    """
    on_bad_row: Literal["reject", "skip"] = "skip"
    """A record without usable features fails the job, or is left out and counted."""
    allow_partial: Flag = False
    """Candidates whose shard failed again and again, or killed its workers, are left out and counted as
    shard_failed, in place of failing the job. Targets never are: without one, the task is another.
    """

    keep_features: Flag = True
    """Computed features stay for later selections of the same records; else they go with the selection, and
    are computed again where they are wanted. Steps of a loop or comparison share theirs, and keep them.
    """
    funnel: Funnel | None = Field(default=None, exclude_if=lambda value: value is None)
    """Of a selection from a large pool: features are computed of the candidates that a cheap look finds near
    a target, and of a sample of all, which says how many it missed. None computes them of all.
    """

    @property
    def reading(self) -> Reading:
        """How records are read."""
        return Reading(self.rendering, self.turns, self.on_long)

    @property
    def gradients(self) -> bool:
        """Whether gradients are computed: alone, or beside hidden states."""
        return self.kind in ("gradient", "combined")

    @model_validator(mode="before")
    @classmethod
    def _kind_of_match(cls, given: Any) -> Any:
        """Gradients alone keep a preference for the target's form (docs/log/invariance.md)."""
        if not isinstance(given, dict) or given.get("match") != "content":
            return given
        return given if "kind" in given else {**given, "kind": "combined"}

    @model_validator(mode="after")
    def _gradients_alone(self) -> Self:
        if not self.gradients and (self.checkpoints or self.precondition != "none"):
            raise ValueError(f"checkpoints and precondition belong to gradients, not to kind {self.kind!r}")
        if self.funnel is not None and self.kind == "provided":
            raise ValueError("a funnel spares computing features, and yours were sent: leave funnel out")
        return self

    @field_validator("layers")
    @classmethod
    def _known_layers(cls, value: str) -> str:
        if not LAYERS.fullmatch(value):
            raise ValueError(f"layers is {value!r}: use all, top-N or every-N with N from 1 to 9999")
        return value

    @field_validator("modules")
    @classmethod
    def _names_or_globs(cls, value: str) -> str:
        if value.count("|") >= MODULE_NAMES or not GLOBS.fullmatch(value):
            raise ValueError(
                f"modules is {value[:60]!r}: send at most {MODULE_NAMES} names or globs such as q_proj|fc*, "
                f"no regular expression; {EVERY_MODULE!r}, the default, is every linear layer, "
                "as '.*_proj|c_.*' was"
            )
        return value

    @model_validator(mode="after")
    def _bounded_sketches(self) -> Self:
        mixed = self.sketch_in * self.sketch_out * self.dim
        if mixed > MOST_MIXED:
            raise ValueError(
                f"sketch_in x sketch_out x dim is {mixed}, more than {MOST_MIXED}: the sketches would take "
                f"{mixed * 4 / 2**30:.0f} GiB; lower one of them"
            )
        return self
