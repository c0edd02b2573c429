"""Near-copies and leaks as the report's page lists them: ids, partners, and texts where they are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from evoselect.spec.copies import NearCopies
from service.selections.report_responses import LeakTexts, NearCopyTexts, Report
from service.selections.result_responses import ClusterSummary, ListedLeak, TargetLeaks


@dataclass(frozen=True, slots=True)
class Member:
    """A candidate of a cluster; its text is None where that was not kept."""

    id: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Cluster:
    """The first of a cluster's rows, and how many more it has."""

    rows: int
    members: list[Member]

    @property
    def more(self) -> int:
        """Rows that are not listed."""
        return self.rows - len(self.members)


@dataclass(frozen=True, slots=True)
class Leak:
    """A leak with its texts, where they were kept."""

    pair: ListedLeak
    texts: LeakTexts | None


@dataclass(frozen=True, slots=True)
class Leaks:
    """The leaks of one target; `own` is that of the selection itself."""

    found: TargetLeaks
    own: bool
    listed: list[Leak]


@dataclass(frozen=True, slots=True)
class Copies:
    """What the page says."""

    settings: NearCopies
    rows: int
    count: int
    clusters: list[Cluster]
    leaks: list[Leaks]


def copies(report: Report) -> Copies | None:
    """Clusters, and leaks by set; None where nobody looked for them."""
    found = report.near_copies
    texts = report.near_copy_texts or NearCopyTexts(clusters=[], leaks=[])
    if found is None:
        return None
    request = report.selection.request
    clusters = zip_longest(found.clusters.listed, texts.clusters, fillvalue=None)
    sets = zip_longest(found.leaks, texts.leaks, fillvalue=None)
    return Copies(
        settings=request.spec.near_copies or NearCopies(),
        rows=found.clusters.rows,
        count=found.clusters.count,
        clusters=[_cluster(cluster, beginnings or []) for cluster, beginnings in clusters if cluster],
        leaks=[_leaks(leaks, beginnings or [], request.target_id) for leaks, beginnings in sets if leaks],
    )


def _cluster(cluster: ClusterSummary, texts: Sequence[str]) -> Cluster:
    shown = zip_longest(cluster.ids[: len(texts) or 1], texts, fillvalue=None)
    return Cluster(cluster.rows, [Member(id, text) for id, text in shown if id is not None])


def _leaks(leaks: TargetLeaks, texts: Sequence[LeakTexts], own: str) -> Leaks:
    pairs = zip_longest(leaks.listed, texts, fillvalue=None)
    return Leaks(leaks, leaks.target_id == own, [Leak(pair, told) for pair, told in pairs if pair])
