"""What the result of a selection looks like: counts, the solver's numbers, what is covered."""

from service.http.responses import OpenResponseModel, ResponseModel


class Shortened(ResponseModel):
    """Rows of which a part was read, to fit the model's window."""

    pool: int
    """Candidates."""
    target: int
    """Examples of the target."""


class RowCounts(OpenResponseModel):
    """Every row accounted for: pool = usable + all that was left out."""

    pool: int
    """Candidates at the pool's version."""
    usable: int
    """Candidates that could be selected."""
    left_out: dict[str, int]
    """The others by reason, such as `in_target` or `too_long`."""
    target: int
    """Examples of the target."""
    target_statuses: dict[str, int]
    """Examples of the target by what became of their features; `ok` counts."""
    shortened: Shortened | None = None
    """Rows of which a part was read."""


class Rejection(ResponseModel):
    """A candidate that could not be selected."""

    id: str
    """The candidate."""
    reason: str
    """Why, such as `in_target`, `exact_duplicate` or `too_long`."""


class FormShare(ResponseModel):
    """One form of prompts, such as a template, and how much of each side has it."""

    head: str
    """What its prompts begin with."""
    tail: str
    """What its prompts end with."""
    capitals: bool
    """Whether they are written in capitals."""
    pool: float
    """Share of the candidates, 0 to 1."""
    target: float
    """Share of the target's examples, 0 to 1."""
    selected: float
    """Share of what was selected, 0 to 1."""


class FormShares(ResponseModel):
    """The forms of prompts."""

    found: int
    """How many there are."""
    named: list[FormShare]
    """The most frequent of the pool, at most 20."""


class BatchCheckFacts(ResponseModel):
    """A worker's trial on its device: whether a row's feature depends on its batch."""

    device: str
    """Kind and name, such as `cuda NVIDIA H100 80GB HBM3` or `cpu`."""
    dtype: str
    """Of the model's numbers."""
    attention: str
    """Implementation that the features were computed with."""
    difference: float
    """Largest distance of a unit feature alone and in a batch, 0 to 2."""
    tolerance: float
    """Which it may have."""
    refused: str | None
    """The model's own attention, where its features depended on their batch; null otherwise."""
    shards: int
    """Feature shards of the candidates that such workers computed."""


class FunnelFacts(ResponseModel):
    """What a cheap look let through to have features computed, and how much it missed by a sample."""

    share: float
    """Of the candidates that could be selected, 0 to 1: so many go through as the nearest."""
    by: str
    """What was looked at."""
    kept: int
    """Candidates that went through as the nearest."""
    sample: int
    """Candidates that were drawn from all, and have features."""
    best: int
    """Those of the sample that are nearest to targets by their features: a quarter of the share of it."""
    recall: float | None
    """Share of these that went through as the nearest, 0 to 1; null where none of the sample has features."""
    interval: tuple[float, float] | None
    """95 % interval of the recall."""
    warning: str | None
    """What to do where the recall is below 0.95 or unknown; null otherwise."""


class FeatureFacts(OpenResponseModel):
    """What was found out while features were computed and read; empty for features of yours."""

    two_seed_agreement: float | None = None
    """Correlation of cosines between two seeds of the sketch, -1 to 1: 1 says that it loses nothing."""
    batch_checks: list[BatchCheckFacts] | None = None
    """Whether features depend on their batch, by device; empty where all were stored before."""
    shards: int | None = None
    """Feature shards that answered for their rows; null for small pools, which are read in one place."""
    funnel: FunnelFacts | None = None
    """What went through the funnel; null where there was none."""
    asked_again: int | None = None
    """How often features of a shard were read again, for what was not foreseen."""


class ClusterSummary(ResponseModel):
    """Candidates that nearly repeat each other."""

    representative: str
    """The one that stays."""
    rows: int
    """How many they are."""
    ids: list[str]
    """The first of them."""


class Clusters(ResponseModel):
    """All clusters."""

    count: int
    """How many there are."""
    rows: int
    """Candidates in them."""
    listed: list[ClusterSummary]
    """The first 100."""


class ListedLeak(ResponseModel):
    """A candidate that nearly repeats an example of a target."""

    id: str
    """The candidate."""
    partner: str
    """The example."""
    similarity: float
    """Share of their weighted words that both have, 0 to 1."""
    run_share: float
    """Share of the example's runs of 13 words that the candidate has too, 0 to 1."""


class TargetLeaks(ResponseModel):
    """Leaks from one target."""

    target_id: str
    """The target."""
    examples: int
    """Its examples."""
    candidates: int
    """Candidates that nearly repeat one."""
    listed: list[ListedLeak]
    """The 100 most similar."""


class NearCopySummary(OpenResponseModel):
    """Near-copies among the candidates, and leaks."""

    candidates: int
    """Candidates that were looked at."""
    seconds: float
    """How long that took."""
    clusters: Clusters
    """Candidates that nearly repeat each other."""
    leaks: list[TargetLeaks]
    """By target."""


class Measures(OpenResponseModel):
    """How one set of candidates serves the target."""

    rows: int
    """Candidates that were measured, at most 2,000."""
    transport: float
    """Transport cost to the target, 0 to 2: lower is nearer."""
    redundancy: float
    """Mean sum of similarities to the other candidates of the set."""
    vendi: float
    """Effective number of different candidates, from 1 (Vendi score)."""
    coverage: float
    """Mean over the targets of the largest cosine, -1 to 1."""
    transport_whole: float | None = None
    """Transport cost of all that was selected, where the set was sampled."""


class TradeoffPoint(OpenResponseModel):
    """One solution of the relaxed problem."""

    transport: float
    """Its transport cost, 0 to 2."""
    redundancy: float
    """Its redundancy."""
    residual: float
    """Share of the mass that still violates a constraint."""
    beyond: float
    """Share of the target's mass that would rather go to candidates outside of the shortlist."""


class Diagnostics(OpenResponseModel):
    """Numbers of the solver. What is listed holds for every method; each method has more of its own."""

    method: str | None = None
    """The method that chose."""
    k: int
    """Candidates that were selected."""
    candidates: int
    """Candidates that could be selected."""
    targets: int
    """Examples of the target."""
    bandwidth: float
    """Scale of similarity, as a cosine distance."""
    group_shares: dict[str, float]
    """Share of the budget by group of targets; empty without groups."""
    transport: float
    """Transport cost of the selection to the target, 0 to 2: the mean of 1 - cosine."""
    transport_lower_bound: float | None = None
    """No choice of as many candidates has a lower cost; null for methods without a bound."""
    transport_relaxed: float | None = None
    """Transport cost of the relaxed solution."""
    gap: float | None = None
    """(transport - bound) / bound: 0 is optimal."""
    rounded_away: float | None = None
    """Share of the relaxed weight on what was not selected, 0 to 1."""
    tradeoff: list[TradeoffPoint] | None = None
    """Transport against redundancy at several lambdas."""
    metrics: dict[str, Measures] | None = None
    """`selected` beside `random` and `top_relevance` of the same size."""


class Covered(ResponseModel):
    """How well one example of the target is covered."""

    id: str
    """The example."""
    cosine: float
    """Of the selected candidate that is nearest to it, -1 to 1."""


class Manifest(OpenResponseModel):
    """What the selection can be made again by."""

    seed: int | None = None
    """Of all that was drawn at random."""
    versions: dict[str, str] | None = None
    """Releases of the packages that computed it."""


class SideHealth(ResponseModel):
    """How the candidates of a loop's round, or the selected ones, lie beside the target."""

    rows: int
    """How many there are."""
    vendi: float
    """Effective number of rows (Vendi score) among at most 256 of them, 1 to that."""
    diversity: float
    """Vendi score over that of as many target examples: 1 as diverse as the target, less below."""
    coverage: float
    """Mean over the target of the largest cosine to one of them, -1 to 1."""
    distance: float
    """Transport distance to the target, mean 1 - cosine, 0 to 2; at most 256 rows of either side."""
    length_ratio: float | None
    """Median characters of an answer over the target's; null where those are empty."""
    opening_share: float
    """Share that begins with the commonest first three words, 0 to 1."""


class Health(ResponseModel):
    """Of a loop's round, before it trains."""

    candidates: SideHealth
    """All usable candidates."""
    selected: SideHealth
    """Those of them that were selected."""
    target_rows: int
    """Target examples with features."""
    target_opening_share: float
    """The target's own share of its commonest first three words."""


class SelectionResult(OpenResponseModel):
    """What a selection came to; its items are read by GET .../items."""

    counts: RowCounts
    """Every row accounted for."""
    rejected: list[Rejection]
    """The first 100 that could not be selected; GET .../rejected has all."""
    conditioning: str | None
    """What was done to the features before they were compared."""
    forms: FormShares | None = None
    """Forms of prompts; null where nobody looked."""
    features: FeatureFacts
    """What was found out about the features."""
    near_copies: NearCopySummary | None
    """Near-copies and leaks; null where nobody looked."""
    diagnostics: Diagnostics
    """Numbers of the solver."""
    coverage: list[Covered]
    """Examples of the target, the worst covered first, at most 1,000."""
    manifest: Manifest
    """What it can be made again by."""
    health: Health | None = None
    """How the round of a loop lies beside the target; null for other selections."""
