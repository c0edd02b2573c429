"""What rounds and loops have come to: made by `advance`, kept as JSON in their rows.

What is shown of an arm is what is kept of it.
"""

from pydantic import ConfigDict

from store.jobs.results import Kept, SideHealth
from store.kit.json import Json


class Arm(Kept):
    """What one arm of a round has come to; null where it has not come so far."""

    selection_id: str | None
    training_id: str | None
    evaluation_id: str | None
    model_id: str | None
    evaluation: Json


class Verified(Kept):
    """What a verifier says of a round's candidates, and what that took."""

    scored: int = 0
    unverified: int = 0
    """Candidates left out because no score came for them."""
    mean: float | None = None
    auc: float | None = None
    """How well it tells the target's answers from swapped ones; None where it was not tried in this round."""
    own_share: float | None = None
    """Of the target's own examples those that it would let be selected; None where it was not tried."""
    calibrated: int = 0
    """Scores that `auc` is made of."""
    requests: int = 0
    retries: int = 0
    unanswered: int = 0
    garbage: int = 0
    """Answers without a score that can be used."""
    contradicting: int = 0
    """Records whose samples lay more than 0.5 apart."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0


class Prompts(Kept):
    """How an endpoint was asked."""

    shown: str
    """Which target examples prompts have shown: uniform, or failures of the last model."""
    offered: int
    """Target examples that they were drawn from."""
    variants: int
    """Different prompts."""
    temperature: float


class Generated(Kept):
    """What a generator says of a round's candidates; it adds its own counts, such as of duplicates."""

    model_config = ConfigDict(extra="allow")

    candidates: int = 0
    left_in_pool: int | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    prompts: Prompts | None = None
    verifier: Verified | None = None

    @property
    def tokens(self) -> int:
        """Of prompts and answers together, the verifier's too."""
        checked = self.verifier or Verified()
        own = self.prompt_tokens + self.completion_tokens
        return own + checked.prompt_tokens + checked.completion_tokens

    @property
    def spent(self) -> float:
        """By the prices of generator and verifier."""
        return self.cost + (self.verifier.cost if self.verifier else 0.0)


class Verdict(Kept):
    """What a round is judged by, and how it does."""

    loss: str | None = None
    """Which number of its evaluation counts; None where it has none of them."""
    gain: float | None = None
    """By how much it lies below the random arm's, in nats; None without one."""


class HealthWarning(Kept):
    """What a round should make somebody look at, and what may be done about it."""

    code: str
    detail: str


class RoundHealth(Kept):
    """How a round's candidates, and those selected of them, lie beside the target; kept before training."""

    candidates: SideHealth
    selected: SideHealth
    target_rows: int
    target_opening_share: float
    generated_share: float
    """Of the rows that the round trains on."""
    warnings: tuple[HealthWarning, ...] = ()


class Guard(Kept):
    """What a round has done to the examples that must not be forgotten."""

    evaluation_id: str
    loss: str
    base: float
    """The base model's loss."""
    base_interval: tuple[float, float] | None
    value: float
    """The round's."""

    @property
    def rise(self) -> float:
        """Nats above the base model's loss."""
        return self.value - self.base


class RoundResult(Verdict):
    """Of a round that is over."""

    arms: dict[str, Arm]
    guard: Guard | None = None


class LoopResult(Kept):
    """Of a loop that was run to its end."""

    stop_reason: str
    rounds: int
    model_id: str
    best_round: int | None
    best_model_id: str | None
    base: Json
    """The base model's evaluation."""
    best_reported: Json | None = None
    """The best round's numbers on the half of the examples that it was not chosen on; None without halves."""
    base_reported: Json | None = None
    """The base model's on that half."""
    trained_examples: int
