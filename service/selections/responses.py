"""Models of responses about selections."""

from typing import Literal

from pydantic import Field

from evoselect.spec.features import FeatureSpec
from evoselect.spec.reading import OnLong
from evoselect.spec.selection import SelectionSpec
from service.http.record_schema import Record
from service.http.responses import OpenResponseModel, ResponseModel
from service.jobs.responses import Job
from service.selections.requests import FeatureFiles
from service.selections.result_responses import SelectionResult


class SelectionRequested(OpenResponseModel):
    """What a selection was asked: all settings that were used."""

    target_id: str
    """The target that it selects for."""
    pool_id: str
    """The pool that it selects from."""
    pool_version: int
    """The version of the pool."""
    k: int | None
    """How many candidates are wanted; null where the budget is in tokens."""
    tokens: int | None = None
    """The budget in tokens."""
    tokens_from: str | None = None
    """Where each candidate's tokens stand."""
    pinned: list[str] | None = None
    """Ids or content hashes of candidates that are selected in any case."""
    spec: SelectionSpec
    """How candidates are chosen."""
    features: FeatureSpec
    """What candidates are compared by."""
    feature_files: FeatureFiles | None = None
    """Matrices of yours."""
    model: str
    """The proxy whose gradients are the features."""
    seed: int
    """Of all that is drawn at random."""
    exclude_selection_ids: list[str] = Field(default=[])  # comparisons of earlier releases left it out
    """Selections whose items are not selected again."""


class Selection(Job):
    """A job that picks candidates for a target."""

    object: Literal["selection"]
    """Always `selection`."""
    request: SelectionRequested
    """What it was asked."""
    result: SelectionResult | None
    """What it came to; null until it is completed."""


class ServedTarget(ResponseModel):
    """An example of the target that an item serves."""

    id: str
    """The example."""
    cosine: float
    """Of its features and the item's, -1 to 1."""
    mass: float
    """How much the item brings to it, of a total of 1."""


class Cluster(ResponseModel):
    """Candidates that nearly repeat each other."""

    representative: str
    """The one that stays."""
    rows: int
    """How many they are."""


class Leak(ResponseModel):
    """An example of a target that a candidate nearly repeats."""

    target_id: str
    """The target."""
    partner: str
    """The example."""
    similarity: float
    """Share of their weighted words that both have, 0 to 1."""
    run_share: float
    """Share of the example's runs of 13 words that the candidate has too, 0 to 1."""


class Item(OpenResponseModel):
    """A selected candidate, with what speaks for it."""

    rank: int
    """Its place in the order, from 1: the most valuable first."""
    id: str
    """Its id."""
    content_hash: str
    """Hash of its content."""
    weight: float
    """Its share of the selection; all add up to 1."""
    repeats: int
    """How often a trainer without weights should show it, 1 or more."""
    tokens: int | None
    """Tokens of prompt and answer; null where nobody counted them."""
    pinned: bool
    """Whether it was selected because the request names it."""
    score: float
    """What the order is by: larger is better. The scale is the method's own."""
    ot_gradient: float | None
    """Marginal transport cost of weight on it: lower is more wanted; null for methods that only rank."""
    redundancy: float
    """Sum of its similarities to the other items, 0 or more."""
    nearest_selected: str | None
    """The most similar other item; null where none is similar."""
    targets: list[ServedTarget]
    """Examples of the target that it serves, the most mass first, at most 3."""
    cluster: Cluster | None
    """Candidates that nearly repeat it; null where none do."""
    leaks: list[Leak]
    """Examples of targets that it nearly repeats."""
    why: str
    """The same in words."""
    record: Record
    """The candidate."""


class ItemPage(ResponseModel):
    """Items in the order of their ranks."""

    object: Literal["list"]
    """Always `list`."""
    data: list[Item]
    """At most `limit` of them, 1,000 at most."""
    has_more: bool
    """Whether more follow: pass the last rank as `after`."""


class EstimatedSeconds(ResponseModel):
    """Of one worker."""

    features: float
    """Seconds for the features."""
    transport: float
    """Seconds for the choice."""


class EstimatedBytes(ResponseModel):
    """Of gradient features, at most."""

    sketches: int
    """Bytes of memory for the sketches."""
    features: int
    """Bytes on disk for the features."""
    matrix: int
    """Bytes of memory for the matrix that is selected from."""


class EstimatedLengths(ResponseModel):
    """Of the first rows of the pool, in tokens by their bytes: the model's tokenizer is not asked."""

    rows: int
    """Rows that were looked at."""
    up_to: dict[str, int]
    """Rows by powers of two: those of up to so many tokens, and more than the power before."""
    longest: int
    """Tokens of the longest."""
    max_length: int | None
    """Longest row that is read whole; null where the request sets none."""
    longer: int | None
    """Rows beyond max_length; null where the request sets none."""
    on_long: OnLong
    """What becomes of them."""


class Estimate(ResponseModel):
    """What a selection would cost; nothing was stored."""

    object: Literal["selection.estimate"]
    """Always `selection.estimate`."""
    request: SelectionRequested
    """What would be asked."""
    rows: int
    """Candidates and examples whose features are computed."""
    tokens: int
    """Their tokens, by their bytes."""
    shards: int
    """Pieces that the features are computed in."""
    seconds: EstimatedSeconds
    """Seconds of one worker."""
    bytes: EstimatedBytes
    """Memory and disk."""
    lengths: EstimatedLengths | None
    """How long the rows are; null for features of yours."""
    basis: Literal["measured", "formula"]
    """By the pace of earlier jobs, or by a formula where there are none."""


class Change(ResponseModel):
    """A number of both selections."""

    first: float | None
    """Of the first one; null where it has none."""
    second: float | None
    """Of the second one; null where it has none."""
    change: float | None
    """second - first; null where one is missing."""


class TargetChange(Change):
    """The coverage of one example of the target."""

    target: str
    """The example."""


class Overlap(ResponseModel):
    """Contents that both selected."""

    shared: int
    """In both."""
    only_first: int
    """In the first one alone."""
    only_second: int
    """In the second one alone."""
    jaccard: float
    """shared / all, 0 to 1."""


class Coverage(ResponseModel):
    """How near the items are to the examples that both selections serve."""

    targets: int
    """Examples that both serve."""
    only_first: int
    """Examples that the first one alone serves."""
    only_second: int
    """Examples that the second one alone serves."""
    mean_cosine: Change
    """Mean over the examples of the largest cosine, -1 to 1."""
    better: int
    """Examples that the second one covers better."""
    worse: int
    """Examples that it covers worse."""
    most_changed: list[TargetChange]
    """The 10 examples that changed most."""


class Comparison(ResponseModel):
    """Two selections side by side."""

    object: Literal["selection.comparison"]
    """Always `selection.comparison`."""
    selections: list[str]
    """Their ids, the first one first."""
    overlap: Overlap
    """What both selected."""
    rank_correlation: float | None
    """Spearman's rho over shared items, -1 to 1; null where fewer than two are shared."""
    coverage: Coverage | None
    """How coverage changes; null where they have different targets."""
    transport: Change
    """Transport cost, 0 to 2: lower is nearer."""


class NearestTarget(ResponseModel):
    """The example of the target that a candidate is most like."""

    id: str
    """The example."""
    cosine: float
    """-1 to 1."""


class LastSelected(ResponseModel):
    """The last item of the order: what a candidate was up against."""

    rank: int
    """Its rank."""
    id: str
    """Its id."""
    score: float | None
    """What the order is by: larger is better."""
    ot_gradient: float | None
    """Marginal transport cost of weight on it; null for methods that only rank."""
    redundancy: float | None
    """Sum of its similarities to the other items."""
    cosine: float | None
    """To the example that it serves most, -1 to 1."""


class NearestItem(ResponseModel):
    """The item that a candidate which was not selected is most like."""

    rank: int
    """Its rank, from 1."""
    id: str
    """Its id."""
    content_hash: str | None
    """Hash of its content."""
    cosine: float
    """Of their features, -1 to 1."""


class Candidate(ResponseModel):
    """Why a candidate is in or out."""

    object: Literal["selection.candidate"]
    """Always `selection.candidate`."""
    id: str
    """Its id."""
    content_hash: str
    """Hash of its content."""
    repeated: bool
    """Whether it was received as a copy of the stored record that this speaks of."""
    status: Literal["selected", "not_selected", "not_usable"]
    """Not usable: it could not have been selected."""
    reason: str
    """Why, in words, or the code of what it was left out for."""
    item: Item | None
    """The item; null unless it was selected."""
    nearest_target: NearestTarget | None
    """The example that it is most like; null where that was not stored."""
    nearest_item: NearestItem | None
    """The item that it is most like; null unless it was not selected, and in large pools."""
    last_selected: LastSelected | None
    """What it was up against; null unless it was not selected."""
    cluster: Cluster | None
    """Candidates that nearly repeat it."""
    leaks: list[Leak]
    """Examples of targets that it nearly repeats."""
