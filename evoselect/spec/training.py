"""How a training and an evaluation are done: the part of a request that changes the result."""

from typing import Annotated, Literal

from pydantic import model_validator

from evoselect.spec.fields import Bounded, Flag, Real, Whole
from evoselect.spec.reading import OnLong, Reading, Turns

Dtype = Literal["auto", "float32", "bfloat16"]


class TrainingSpec(Bounded):
    """Settings of one LoRA fine-tuning on answers only; give ``epochs`` or ``max_steps``."""

    epochs: Annotated[float, Real(gt=0.0, le=100.0)] | None = None
    """Passes over the examples, repeats included; 1 when max_steps is not given either."""
    max_steps: Annotated[int, Whole(1, 10_000_000)] | None = None
    """Optimizer steps, for comparisons at equal cost."""
    learning_rate: Annotated[float, Real(gt=0.0, le=1.0)] = 5e-4
    """Largest learning rate, after the warm-up; above 0 and at most 1."""
    warmup_ratio: Annotated[float, Real(ge=0.0, lt=1.0)] = 0.03
    """Share of the steps over which the learning rate rises; then it falls by a cosine."""
    batch_size: Annotated[int, Whole(1, 4096)] = 8
    """Examples of one optimizer step."""
    micro_batch_size: Annotated[int, Whole(1, 4096)] | None = None
    """Examples that go through the model at once; None means all of the batch."""
    weight_decay: Annotated[float, Real(ge=0.0, le=1.0)] = 0.0
    """Of AdamW, 0 to 1."""
    max_grad_norm: Annotated[float, Real(gt=0.0, le=1e6)] = 1.0
    """Norm that longer gradients are cut to."""
    lora_rank: Annotated[int, Whole(1, 1024)] = 16
    """Rank of the adapter's matrices, 1 to 1,024."""
    lora_alpha: Annotated[float, Real(gt=0.0, le=1e6)] = 32.0
    """The adapter counts by lora_alpha / lora_rank."""
    lora_dropout: Annotated[float, Real(ge=0.0, lt=1.0)] = 0.0
    """Share of the adapter's inputs that is left out at random in each step."""
    dtype: Dtype = "auto"
    """Of the frozen base model; the adapter itself is kept and trained in float32."""
    max_length: Annotated[int, Whole(2)] | None = None
    """Longest prompt + answer in tokens; None takes the model's window."""
    turns: Turns | None = None
    """Which turns of the assistant in a chat are learnt: all but those of weight 0, or the last one alone.

    None is as the selection was scored that is trained on, and all without one.
    """
    on_long: OnLong | None = None
    """What becomes of an example with more than max_length tokens: it is left out and counted, or shortened
    as features do it. None is as the selection was scored, and with its max_length where none is given here;
    without one it is drop.
    """

    @model_validator(mode="after")
    def _consistent(self) -> "TrainingSpec":
        if self.epochs is not None and self.max_steps is not None:
            raise ValueError(f"epochs is {self.epochs} and max_steps is {self.max_steps}: give one of them")
        micro = self.micro_batch_size
        if micro is not None and self.batch_size % micro:
            raise ValueError(f"micro_batch_size {micro} does not divide batch_size {self.batch_size}")
        return self

    @property
    def reading(self) -> Reading:
        """How records are read, where nothing is left open any more."""
        return Reading(turns=self.turns or "all", on_long=self.on_long or "drop")


MEASURES = ("accuracy", "choice_cross_entropy", "answer_nll", "exact_match")
"""What an evaluation says of each example, where it applies, and of all of them as a mean."""


class EvaluationSpec(Bounded):
    """Settings of one evaluation: likelihoods of answers and choices, greedy generation, no sampling."""

    dtype: Dtype = "float32"
    """Of the model's arithmetic; in bfloat16 the batch that a question runs in can change its answer."""
    max_length: Annotated[int, Whole(2)] | None = None
    """Longest prompt + answer in tokens; None takes the model's window."""
    batch_tokens: Annotated[int, Whole(16)] = 4096
    """Token budget of a micro-batch, padding included; it is halved where memory does not suffice."""
    generate: Flag = False
    """Also let the model answer where there are no choices, and count answers that match word for word."""
