"""How a training and an evaluation are done: the part of a request that changes the result."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Dtype = Literal["auto", "float32", "bfloat16"]


class TrainingSpec(BaseModel):
    """Settings of one LoRA fine-tuning on answers only; give ``epochs`` or ``max_steps``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: float | None = Field(default=None, gt=0.0, le=100.0)
    """Passes over the examples, repeats included; 1 when max_steps is not given either."""
    max_steps: int | None = Field(default=None, ge=1, le=10_000_000)
    """Optimizer steps, for comparisons at equal cost."""
    learning_rate: float = Field(default=5e-4, gt=0.0, le=1.0)
    warmup_ratio: float = Field(default=0.03, ge=0.0, lt=1.0)
    """Share of the steps over which the learning rate rises; then it falls by a cosine."""
    batch_size: int = Field(default=8, ge=1, le=4096)
    """Examples of one optimizer step."""
    micro_batch_size: int | None = Field(default=None, ge=1)
    """Examples that go through the model at once; None means all of the batch."""
    weight_decay: float = Field(default=0.0, ge=0.0, le=1.0)
    max_grad_norm: float = Field(default=1.0, gt=0.0)
    lora_rank: int = Field(default=16, ge=1, le=1024)
    lora_alpha: float = Field(default=32.0, gt=0.0)
    lora_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    dtype: Dtype = "auto"
    """Of the frozen base model; the adapter itself is kept and trained in float32."""
    max_length: int | None = Field(default=None, ge=2)
    """Longest prompt + answer in tokens; None takes the model's window."""

    @model_validator(mode="after")
    def _consistent(self) -> "TrainingSpec":
        if self.epochs is not None and self.max_steps is not None:
            raise ValueError(f"epochs is {self.epochs} and max_steps is {self.max_steps}: give one of them")
        micro = self.micro_batch_size
        if micro is not None and self.batch_size % micro:
            raise ValueError(f"micro_batch_size {micro} does not divide batch_size {self.batch_size}")
        return self


class EvaluationSpec(BaseModel):
    """Settings of one evaluation: likelihoods of answers and choices, greedy generation, no sampling."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dtype: Dtype = "float32"
    """Of the model's arithmetic; in bfloat16 the batch that a question runs in can change its answer."""
    max_length: int | None = Field(default=None, ge=2)
    """Longest prompt + answer in tokens; None takes the model's window."""
    batch_tokens: int = Field(default=4096, ge=16)
    """Token budget of a micro-batch, padding included; it is halved where memory does not suffice."""
    generate: bool = False
    """Also let the model answer where there are no choices, and count answers that match word for word."""
