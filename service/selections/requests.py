"""What a request for a selection may say."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from evoselect.spec.features import FeatureSpec
from evoselect.spec.fields import Bounded, Id, Members, Real, Seed, ShortText, Text, Whole
from evoselect.spec.funnel import FUNNELLED
from evoselect.spec.selection import METHODS, Method, SelectionSpec
from service.http.fields import CHAT, QUESTION, JobRequest, Records, Version, exactly_one, example
from store.errors import Invalid

MAX_PINNED = 10_000
EXTRA = "extra."

Ratio = Annotated[float, Real(gt=0.0, le=1.0)]


class FeatureFiles(Bounded):
    """Matrices of the user's in the order of the records: .npy, .safetensors or .parquet files."""

    target: Id
    """File with a row for each example of the target."""
    pool: Id
    """File with a row for each candidate, in the order of the pool's batches."""


class SelectionRequest(JobRequest):
    """Which candidates of a pool are wanted for a target, and how many, or how many tokens of them."""

    model_config = example(target=[QUESTION], candidates=[QUESTION, CHAT], k=1, method="capacity", seed=7)

    target_id: Id | None = None
    """The target to select for; or else `target`."""
    target: Records | None = None
    """Its examples, sent along; they become a target."""
    pool_id: Id | None = None
    """The pool to select from; or else `candidates`."""
    candidates: Records | None = None
    """Its candidates, sent along, at most 10,000 unless the operator allows more; they become a pool."""
    pool_version: Version | None = None
    """The version of the pool; null takes the newest."""
    k: Annotated[int, Whole(1)] | None = None
    """How many candidates are selected; or else `ratio` or `tokens`."""
    ratio: Ratio | None = None
    """The share of the pool that is selected, above 0 and at most 1."""
    tokens: Annotated[int, Whole(1)] | None = None
    """Budget in tokens of prompts and answers, in place of k and ratio."""
    tokens_from: Annotated[str, Text(7, 256, printable=True)] | None = None
    """`extra.NAME`: where each candidate's tokens stand. None: as the features counted them."""
    pinned: Annotated[list[ShortText], Members(MAX_PINNED)] = Field(default=[])
    """Ids or content hashes of candidates that are selected in any case; they count towards the budget."""
    method: Method | None = None
    """Short for `spec.method`."""
    spec: SelectionSpec = SelectionSpec()
    """How candidates are chosen."""
    features: FeatureSpec = FeatureSpec()
    """What candidates are compared by."""
    feature_files: FeatureFiles | None = None
    """Matrices of yours, for features of kind `provided`."""
    model: ShortText | None = None
    """Proxy whose gradients are the features: alias of a base model or id of an adapter; null takes the
    operator's default.
    """
    seed: Seed = 0
    """Of all that is drawn at random; the same request gives the same items."""
    exclude_selection_ids: Annotated[list[Id], Members(100)] = Field(default=[])
    """Selections whose items are not selected again, at most 100."""

    @model_validator(mode="before")
    @classmethod
    def _method_of_the_spec(cls, given: Any) -> Any:
        """`method` is short for `spec.method`, and the spec is checked with it."""
        if not isinstance(given, dict) or given.get("method") not in METHODS:
            return given
        spec = given.get("spec", {})
        return {**given, "spec": {"method": given["method"], **spec}} if isinstance(spec, dict) else given

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        exactly_one(target_id=self.target_id, target=self.target)
        exactly_one(pool_id=self.pool_id, candidates=self.candidates)
        exactly_one(k=self.k, ratio=self.ratio, tokens=self.tokens)
        self._tokens_are_known()
        twice = [name for name, count in Counter(self.pinned).items() if count > 1]
        if twice:
            raise ValueError(f"pinned names {twice[0]:.80} {self.pinned.count(twice[0])} times: name it once")
        if self.pool_version is not None and self.pool_id is None:
            raise ValueError("pool_version needs pool_id: inline candidates have no versions")
        if (self.features.kind == "provided") != (self.feature_files is not None):
            raise ValueError(
                f"features.kind is {self.features.kind!r} and feature_files is "
                f"{'given' if self.feature_files else 'missing'}: feature_files belong to kind 'provided'"
            )
        if self.features.checkpoints and self.model is not None:
            raise ValueError(f"model is {self.model!r} and features.checkpoints name models too: send one")
        if self.method and self.method != self.spec.method:
            raise ValueError(f"method is {self.method!r} but spec.method is {self.spec.method!r}: send one")
        if self.features.funnel is not None:
            self._may_be_funnelled()
        return self

    def _may_be_funnelled(self) -> None:
        if self.spec.method not in FUNNELLED:
            raise ValueError(
                f"features.funnel lets the nearest through, and method {self.spec.method!r} looks for "
                f"something else: take {', '.join(FUNNELLED)}, or leave the funnel out"
            )
        if self.tokens is not None:
            raise ValueError(
                "features.funnel compares how many are selected with how many go on: send k or ratio "
                "in place of tokens, or leave the funnel out"
            )

    def _tokens_are_known(self) -> None:
        if self.tokens_from is not None:
            if self.tokens is None:
                raise ValueError(f"tokens_from is {self.tokens_from!r} without tokens: send both, or neither")
            if not self.tokens_from.startswith(EXTRA):
                raise ValueError(f"tokens_from is {self.tokens_from!r}: name a column as extra.NAME")
        if self.tokens is not None and self.tokens_from is None and self.features.kind == "provided":
            raise ValueError(
                "tokens needs the tokens of each candidate, which features of kind 'provided' do not have: "
                "name the column that holds them as tokens_from: extra.NAME"
            )
        if self.tokens is not None and self.spec.repeat_budget is not None:
            raise ValueError("spec.repeat_budget counts rows and tokens does not: send one of them")


def require_budget_for_pinned(pinned: Sequence[str], k: int | None) -> None:
    """Raise Invalid where more is pinned than is wanted; by tokens the worker asks."""
    if k is not None and len(pinned) > k:
        raise Invalid(
            f"{len(pinned)} candidates are pinned and {k} are wanted: pin fewer, or ask for more",
            code="pinned_over_budget",
            pointer="/pinned",
        )
