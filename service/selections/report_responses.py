"""What a report looks like as JSON: its schema in the OpenAPI document."""

from typing import Literal

from service.http.responses import OpenResponseModel, ResponseModel
from service.jobs.responses import Reported
from service.selections.responses import SelectionRequested
from service.selections.result_responses import (
    Diagnostics,
    FeatureFacts,
    Manifest,
    Measures,
    NearCopySummary,
    RowCounts,
    TradeoffPoint,
)


class ReportedSelection(Reported):
    """The selection that the report is about."""

    request: SelectionRequested
    """What it was asked."""


class Points(OpenResponseModel):
    """Points of one kind."""

    id: list[str] | None = None
    """Ids of the records, in the order of x and y; left out in reports of loops."""
    x: list[float]
    """First coordinates."""
    y: list[float]
    """Second coordinates."""
    tsne_x: list[float | None] | None = None
    """First coordinates by t-SNE; null for points that it does not draw."""
    tsne_y: list[float | None] | None = None
    """Second coordinates by t-SNE."""
    relevance: list[float | None] | None = None
    """Cosine to the nearest target example; null for targets."""
    length: list[int] | None = None
    """Characters of each."""
    source: list[str | None] | None = None
    """Values of the column that `source` of the map names."""
    cluster: list[int | None] | None = None
    """Places among `clusters` of the map."""
    columns: dict[str, list[str | None]] | None = None
    """Values of the further columns that `columns` of the map names."""


class Shown(ResponseModel):
    """How many points there are of each kind."""

    pool: int
    """Candidates that were not selected."""
    targets: int
    """Examples of the target."""
    selected: int
    """Items."""


class LeakTexts(ResponseModel):
    """Beginnings of two texts."""

    text: str
    """Of the candidate."""
    partner_text: str
    """Of the example that it nearly repeats."""


class NearCopyTexts(ResponseModel):
    """Beginnings of the texts that `near_copies` lists, in its order."""

    clusters: list[list[str]]
    """Of the first candidates of each cluster."""
    leaks: list[list[LeakTexts]]
    """Of the leaks of each target."""


class MapAxes(OpenResponseModel):
    """The plane of an earlier round that a map lies in."""

    selection_id: str
    """The selection that it was fitted to."""
    round: int
    """The round, from 1."""


class TsneFacts(OpenResponseModel):
    """How t-SNE drew the map."""

    perplexity: float
    """About how many neighbours a point is laid beside."""
    trustworthiness: float | None
    """How far neighbours in its picture are neighbours in the features, 0 to 1, of up to 1,000 points."""
    points: int
    """Points that it draws, a seeded sample of the map where that has more."""


class Map(OpenResponseModel):
    """Candidates, target and items in the plane."""

    method: Literal["pca"]
    """Principal components of the features."""
    axes: MapAxes | None
    """The plane of an earlier round; null where the map has its own."""
    explained_variance: list[float]
    """Share of the variance that each axis holds, 0 to 1."""
    trustworthiness: float | None
    """How far neighbours in the picture are neighbours in the features, 0 to 1 (Venna and Kaski 2001)."""
    shown: Shown
    """Points of the map."""
    of: Shown
    """Rows that there are."""
    tsne: TsneFacts | None
    """The picture by t-SNE; null in reports of earlier releases, and where there are too few points."""
    source: str | None
    """The column that `source` of the points is from; null where there is none."""
    columns: list[str]
    """Further columns of few values by which the points can be told apart, at most six."""
    clusters: list[str]
    """Of each cluster (k-means) the words that set its texts apart, which may be none."""
    points: dict[str, Points]
    """By kind: pool, target, selected."""


class Histogram(OpenResponseModel):
    """Counts over the same bins, a list for each set of candidates, such as `pool` and `selected`."""

    edges: list[float]
    """Edges of the bins, one more than there are counts."""
    selected: list[int]
    """Items in each bin."""


class CoverageCurve(OpenResponseModel):
    """Mean over the targets of the best cosine among the first n, a list for each order."""

    rows: list[int]
    """The n of each place."""
    selected: list[float]
    """Of the items in their order."""
    random: list[float]
    """Of a random draw of the same size."""
    top_relevance: list[float]
    """Of the top by mean cosine of the same size."""
    targets: int
    """Examples that were looked at, at most 2,000."""


class Twins(Histogram):
    """Cosine of items to their most similar other item, beside other sets of the same size."""

    rows: int
    """Items that were looked at, at most 2,000."""


class NearDuplicate(ResponseModel):
    """Two items that are much alike."""

    first_rank: int
    """Rank of the one."""
    second_rank: int
    """Rank of the other."""
    cosine: float
    """Of their features."""


class NearDuplicates(ResponseModel):
    """Pairs of items that are much alike, each item with its most similar one."""

    cosine_at_least: float
    """From which cosine on a pair counts."""
    pairs: int
    """How many there are."""
    listed: list[NearDuplicate]
    """The first 100."""


class ReportedTarget(OpenResponseModel):
    """How well one example of the target is served."""

    id: str
    """The example."""
    group: str | None
    """Its group."""
    mass: float
    """Its share of the target; all add up to 1."""
    items: int
    """Items that serve it."""
    mean_cosine: float
    """Of what the transport brings to it, -1 to 1."""
    best_selected: float
    """Largest cosine of an item to it."""
    best_in_pool: float
    """Largest cosine of a candidate to it."""
    uncovered: bool
    """Nothing selected is more like it than 5 % of the pool are by chance."""


class ReportedTargets(ResponseModel):
    """How well the target is served."""

    chance: float
    """Cosine that 5 % of the pool exceed by chance."""
    uncovered: int
    """Examples that are not covered."""
    total: int
    """Examples of the target."""
    listed: list[ReportedTarget]
    """Those that are served least first, at most 2,000."""


class Report(ResponseModel):
    """The numbers behind every chart of the page; docs/report.md says how to read them."""

    object: Literal["selection.report"]
    """Always `selection.report`."""
    selection: ReportedSelection
    """The selection."""
    counts: RowCounts
    """Every row accounted for."""
    map: Map
    """The map of the features."""
    relevance: Histogram
    """Cosine of each candidate to its nearest example, of the pool and of the items."""
    coverage: CoverageCurve
    """How coverage grows with the number of items."""
    twins: Twins
    """How alike the items are."""
    near_duplicates: NearDuplicates
    """Pairs of items that are much alike."""
    near_copies: NearCopySummary | None
    """Near-copies of texts and leaks; null where nobody looked."""
    near_copy_texts: NearCopyTexts | None
    """Beginnings of their texts."""
    mean_redundancy: float
    """Mean over the items of the sum of their similarities to the others."""
    targets: ReportedTargets
    """How well each example is served."""
    tradeoff: list[TradeoffPoint]
    """Transport against redundancy; empty where it was not computed."""
    against: dict[str, Measures]
    """The selection beside a random draw and the top by mean cosine of the same size."""
    diagnostics: Diagnostics
    """Numbers of the solver."""
    features: FeatureFacts
    """What was found out about the features."""
    conditioning: str | None
    """What was done to the features before they were compared."""
    manifest: Manifest
    """Seed, settings and versions."""
