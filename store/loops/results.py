"""What rounds and loops have come to: made by `advance`, kept as JSON in their rows.

What is shown of an arm is what is kept of it.
"""

from pydantic import ConfigDict

from store.jobs.results import Kept
from store.kit.json import Json


class Arm(Kept):
    """What one arm of a round has come to; null where it has not come so far."""

    selection_id: str | None
    training_id: str | None
    evaluation_id: str | None
    model_id: str | None
    evaluation: Json


class Generated(Kept):
    """What a generator says of a round's candidates; it adds its own counts, such as of duplicates."""

    model_config = ConfigDict(extra="allow")

    candidates: int = 0
    left_in_pool: int | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """Of prompts and answers together."""
        return self.prompt_tokens + self.completion_tokens


class Verdict(Kept):
    """What a round is judged by, and how it does."""

    loss: str | None = None
    """Which number of its evaluation counts; None where it has none of them."""
    gain: float | None = None
    """By how much it lies below the random arm's, in nats; None without one."""


class RoundResult(Verdict):
    """Of a round that is over."""

    arms: dict[str, Arm]


class LoopResult(Kept):
    """Of a loop that was run to its end."""

    stop_reason: str
    rounds: int
    model_id: str
    best_round: int | None
    best_model_id: str | None
    base: Json
    """The base model's evaluation."""
    trained_examples: int
