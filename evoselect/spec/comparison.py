"""How methods are compared: each selects, each selection is trained on, all answer the same examples."""

from typing import Annotated, Any, Literal, Self

from pydantic import model_validator

from evoselect.spec.features import FeatureSpec
from evoselect.spec.fields import MAX_WHOLE, Bounded, Flag, Members, OrName, Real, ShortText, Whole
from evoselect.spec.selection import METHODS, Method, SelectionSpec
from evoselect.spec.training import EvaluationSpec, TrainingSpec

MOST_ARMS = 16
MOST_TRAININGS = 20  # of one arm
SEEDS_APART = 1000  # between the draws of two arms, which are not to be parts of each other

MATCHED, HIDDEN, WHOLE, RANDOM, OURS = "random_tokens", "mean_hidden", "all", "random", "capacity"
ArmMethod = Method | Literal["random_tokens", "mean_hidden"]
ARM_METHODS = (*METHODS, MATCHED, HIDDEN)
DEFAULT_ARMS = (RANDOM, MATCHED, HIDDEN, "round_robin", OURS)

NO_FUNNEL = "the arms of a comparison share the features of the whole pool: leave funnel out"
Measure = Literal["accuracy", "choice_cross_entropy", "answer_nll", "exact_match"]
BEST_HIGH: frozenset[str] = frozenset({"accuracy", "exact_match"})
"""Measures of which more is better."""


class ComparisonArm(Bounded):
    """One way to select: a method by its name, or settings of the user's under a name of theirs.

    `random_tokens` draws as many tokens as the arm `capacity` selected, or the first arm that looks at the
    target; `mean_hidden` is `mean_cosine` on hidden states; `all` trains on the whole pool.
    """

    name: ShortText
    """What the table calls it."""
    method: ArmMethod
    """How it selects."""
    spec: SelectionSpec = SelectionSpec()
    """Settings of its selections."""
    features: FeatureSpec | None = None
    """None takes those of the comparison."""

    @model_validator(mode="before")
    @classmethod
    def _by_its_name(cls, given: Any) -> Any:
        """A text is a method; `method` is short for that of the spec, which is checked with it."""
        if isinstance(given, str):
            given = {"name": given}
        if not isinstance(given, dict) or not isinstance(given.get("name"), str):
            return given
        method, spec = given.get("method", given["name"]), given.get("spec", {})
        if not isinstance(method, str) or not isinstance(spec, dict):
            return given
        if method not in ARM_METHODS:
            raise ValueError(f"{method!r:.80} is no method: there are {', '.join(sorted(ARM_METHODS))}")
        return {**given, "method": method, "spec": {"method": selector(method), **spec}}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.spec.method != selector(self.method):
            raise ValueError(f"method is {self.method!r} but spec.method is {self.spec.method!r}: send one")
        if self.features is not None and self.features.kind == "provided":
            raise ValueError("a comparison computes its features: leave kind 'provided' out")
        if self.features is not None and self.features.funnel is not None:
            raise ValueError(NO_FUNNEL)
        return self

    @property
    def drawn(self) -> bool:
        """Whether each of its trainings has a draw of its own."""
        return self.method in (RANDOM, MATCHED)


def selector(method: str) -> str:
    """The method of its selections."""
    return {MATCHED: RANDOM, HIDDEN: "mean_cosine"}.get(method, method)


class ComparisonSpec(Bounded):
    """Settings of a comparison; what is left out takes the recommended value."""

    k: Annotated[int, Whole(1)] | None = None
    """Candidates that each arm selects; exactly one of k, ratio and tokens."""
    ratio: Annotated[float, Real(gt=0.0, le=1.0)] | None = None
    """Share of the pool that each arm selects, above 0 and at most 1."""
    tokens: Annotated[int, Whole(1)] | None = None
    """Budget of each arm in tokens of prompts and answers."""
    arms: Annotated[tuple[Annotated[ComparisonArm, OrName()], ...], Members(MOST_ARMS)] | None = None
    """Methods that are compared. None takes random, random_tokens, mean_hidden, round_robin and capacity, and
    all where the budget has room for it.
    """
    seeds: Annotated[int, Whole(1, MOST_TRAININGS)] = 2
    """Trainings of each arm; training r uses seed + r - 1."""
    draws: Annotated[int, Whole(2, MOST_TRAININGS)] = 3
    """Draws of the arm random, each trained on once, never fewer than seeds; a second tells their noise."""
    minutes: Annotated[float, Real(gt=0.0, le=1e6)] | None = None
    """No trainings are begun that would not end so soon after the comparison was accepted."""
    trainings: Annotated[int, Whole(1, MOST_ARMS * MOST_TRAININGS)] | None = None
    """No more trainings than these are begun."""
    successive_halving: Flag = False
    """Arms that are worse beyond doubt get no further training."""
    measure: Measure | None = None
    """What arms are judged by. None takes accuracy where the examples have choices, else answer_nll."""
    proxy: ShortText | None = None
    """Whose gradients and states the features are; None takes the model that is trained."""
    features: FeatureSpec = FeatureSpec()
    """What candidates are compared by."""
    training: TrainingSpec = TrainingSpec()
    """How each selection is trained on."""
    evaluation: EvaluationSpec = EvaluationSpec()
    """How each model is measured."""
    seed: Annotated[int, Whole(0, MAX_WHOLE - SEEDS_APART * (MOST_ARMS + 1))] = 0
    """Of the first draw and the first training."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        sizes = {"k": self.k, "ratio": self.ratio, "tokens": self.tokens}
        if sum(size is not None for size in sizes.values()) != 1:
            said = ", ".join(f"{name} is {size}" for name, size in sizes.items())
            raise ValueError(f"{said}: send exactly one of them")
        if self.features.kind == "provided" or self.features.checkpoints:
            raise ValueError(
                "a comparison computes its features with one model: leave kind and checkpoints out"
            )
        if self.features.funnel is not None:
            raise ValueError(NO_FUNNEL)
        if self.measure == "exact_match" and not self.evaluation.generate:
            raise ValueError("measure exact_match needs answers: set evaluation.generate to true")
        return self

    @model_validator(mode="after")
    def _arms_to_compare(self) -> Self:
        if self.arms is None:
            return self
        names = [arm.name for arm in self.arms]
        if self.baseline is None and len(names) > 1:
            raise ValueError(f"arms is {names}: add random, which the gains are told against")
        if len(names) < 2:
            raise ValueError(
                f"arms is {names}: a comparison needs two arms or more, such as random beside it"
            )
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"arms has {twice[0]!r} twice: give each a name of its own")
        matched = [arm.name for arm in self.arms if arm.method == MATCHED]
        if matched and self.tokens is not None:
            raise ValueError(
                f"every arm has {self.tokens} tokens: leave {matched[0]} out, random does the same"
            )
        if matched and self.guide is None:
            raise ValueError(
                f"{matched[0]} draws as many tokens as another arm selects: add one, such as {OURS}"
            )
        return self

    @property
    def compared(self) -> tuple[ComparisonArm, ...]:
        """The arms in their order; those of the default where none are named."""
        if self.arms is not None:
            return self.arms
        names = [name for name in DEFAULT_ARMS if self.tokens is None or name != MATCHED]
        return tuple(ComparisonArm.model_validate(name) for name in names)

    @property
    def guide(self) -> ComparisonArm | None:
        """The arm whose tokens random_tokens draws: ours, or the first that looks at the target."""
        looking = [arm for arm in self.compared if not arm.drawn and arm.method != WHOLE]
        return next((arm for arm in looking if arm.method == OURS), looking[0] if looking else None)

    @property
    def baseline(self) -> str | None:
        """The name of the arm that gains are told against."""
        return next((arm.name for arm in self.compared if arm.method == RANDOM), None)

    def runs(self, arm: ComparisonArm) -> int:
        """How often the arm is trained, where nothing ends it earlier."""
        return max(self.draws, self.seeds) if arm.method == RANDOM else self.seeds

    @property
    def planned_trainings(self) -> int:
        """Of all arms, where nothing ends the comparison earlier."""
        return sum(map(self.runs, self.compared))

    def features_of(self, arm: ComparisonArm) -> FeatureSpec:
        """What the arm selects by; a draw takes those of the guide, which it finds in the cache."""
        if arm.features is not None:
            return arm.features
        if arm.method == HIDDEN:
            return self.features.model_copy(update={"kind": "hidden", "precondition": "none"})
        if not arm.drawn:
            return self.features
        cheapest = self.features.model_copy(update={"kind": "hidden", "precondition": "none"})
        return cheapest if self.guide is None else self.features_of(self.guide)
