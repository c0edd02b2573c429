"""What a selection is asked to do: the part of a request that changes the answer."""

from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, model_validator

from evoselect.spec.balance import Balance
from evoselect.spec.copies import NearCopies
from evoselect.spec.fields import Bounded, Flag, Members, Real, ShortText, Whole

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
METHODS: tuple[str, ...] = get_args(Method)
RELEASED_VARIANTS = ("tsds", "tsds_uniform", "tarot")

CAPACITY_EPSILON = 0.002
CAPACITY_LAMBDA = 0.5
EXPONENTIATED_EPSILON = 0.05
EXPONENTIATED_LAMBDA = 0.1


MAX_QUOTAS = 1000  # groups

Share = Annotated[float, Real(gt=0.0, le=1e6)]
"""Of a group, in a unit of the user's: only the ratios matter."""


class SelectionSpec(Bounded):
    """Settings of one selection; the defaults are the recommended ones. Costs are ``1 - cosine``."""

    model_config = ConfigDict(populate_by_name=True, validate_by_alias=True)

    method: Method = "capacity"
    """How candidates are chosen; `capacity` is recommended, the others are baselines."""
    lam: Annotated[float, Real(ge=0.0, le=100.0)] | Literal["auto"] = Field(
        default=CAPACITY_LAMBDA, alias="lambda"
    )
    """Weight of redundancy: what one exact twin costs a candidate, as a share of what selection can save in
    transport. Above about 0.7 what is unlike the target is drawn before twins where the pool has little else.

    The default of method exponentiated is 0.1; ``auto`` chooses by held-out folds of the targets.
    """
    epsilon: Annotated[float, Real(ge=1e-4, le=10.0)] | Literal["auto"] | None = None
    """Final entropic smoothing, in cosine: 0.002 is exact transport, larger averages over noisy targets.

    None is the method's own: 0.002 for capacity, 0.05 for exponentiated; ``auto`` chooses by held-out folds.
    """
    energy: Literal["local", "linear", "squared"] | None = None
    """Redundancy by similar neighbours (capacity's own), inner products (exponentiated's own) or squared ones
    (Vendi).
    """
    group_mode: Literal["mean", "max", "quota"] = "mean"
    """How groups of targets share the budget: equally, so that the worst-served is served best, or by
    ``quotas``.
    """
    quotas: Annotated[dict[ShortText, Share], Members(MAX_QUOTAS)] | None = None
    """Share of the budget by group of targets, for group_mode `quota`; only the ratios matter."""
    least_quality: Annotated[float, Real(ge=0.0, le=1.0)] | None = None
    """Candidates of a lower `quality` are not selected; then each candidate needs one. None reads none."""
    balance: Balance | None = None
    """How groups of candidates share the budget."""
    near_copies: NearCopies | None = None
    """None flags them where the pool is small enough for it to cost little."""
    alpha: Annotated[float, Real(ge=0.0, le=1000.0)] = 1.0
    """Weight of transport in method exponentiated."""
    step_size: Annotated[float, Real(gt=0.0, le=1000.0)] = 1.0
    """First step of method exponentiated, in standard deviations of the gradient."""
    iterations: Annotated[int, Whole(1, 10_000)] = 20
    """Weight updates of method exponentiated."""
    tolerance: Annotated[float, Real(gt=0.0, le=0.1)] = 3e-3
    """Method capacity stops when this share of the mass (or less) still violates a constraint."""
    max_iterations: Annotated[int, Whole(1, 1_000_000)] = 500
    """Scalings of method capacity."""
    tradeoff: Flag = False
    """Whether method capacity also reports transport against redundancy at eight lambdas and its own."""
    repeat_budget: Annotated[int, Whole(1)] | None = None
    """Sum of the integer repeats, at least k; None repeats nothing."""
    as_released: Flag = False
    """Reproduce the released code of tsds, tsds_uniform or tarot where it differs from the paper."""

    @model_validator(mode="before")
    @classmethod
    def _own_lambda(cls, given: Any) -> Any:
        """Method exponentiated weighs inner products, which every pair has: its default is its own."""
        if not isinstance(given, dict) or given.get("method") != "exponentiated":
            return given
        return given if {"lam", "lambda"} & given.keys() else {**given, "lambda": EXPONENTIATED_LAMBDA}

    @model_validator(mode="after")
    def _consistent(self) -> "SelectionSpec":
        if (self.group_mode == "quota") != (self.quotas is not None):
            raise ValueError(
                f"group_mode is {self.group_mode!r} and quotas is {self.quotas!r:.60}: give both or neither"
            )
        if self.quotas is not None and not self.quotas:
            raise ValueError("quotas must be positive shares by group name, not {}")
        if self.as_released and self.method not in RELEASED_VARIANTS:
            raise ValueError(
                f"as_released is for {', '.join(RELEASED_VARIANTS)}, not for method {self.method!r}"
            )
        if self.method == "exponentiated" and self.energy == "local":
            raise ValueError(
                "energy 'local' belongs to method 'capacity'; method 'exponentiated' has linear or squared"
            )
        if self.method != "capacity" and (self.tradeoff or "auto" in (self.lam, self.epsilon)):
            raise ValueError(f"tradeoff and auto belong to method 'capacity', not to {self.method!r}")
        return self

    @property
    def fixed_lambda(self) -> float:
        """The number; ``auto`` has to be resolved before."""
        if isinstance(self.lam, str):
            raise ValueError("lambda is 'auto' and has not been resolved")
        return self.lam

    @property
    def fixed_epsilon(self) -> float:
        """The number, or the method's own where none is given; ``auto`` has to be resolved before."""
        if isinstance(self.epsilon, str):
            raise ValueError("epsilon is 'auto' and has not been resolved")
        if self.epsilon is not None:
            return self.epsilon
        return EXPONENTIATED_EPSILON if self.method == "exponentiated" else CAPACITY_EPSILON
