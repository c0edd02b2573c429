"""The charts of a selection's report."""

from service.html.charts import NAMES, Chart, Series
from service.http.responses import OpenResponseModel
from service.selections.report_responses import CoverageCurve, Histogram, Report, Twins


def charts(report: Report) -> dict[str, Chart]:
    """By name, those that the report has numbers for."""
    found = {"relevance": _relevance(report.relevance), "coverage": _coverage(report.coverage)}
    if report.twins.edges:
        found["twins"] = _twins(report.twins)
    if report.tradeoff:
        found["tradeoff"] = _tradeoff(report)
    return found


def _relevance(numbers: Histogram) -> Chart:
    return Chart(
        "Relevance",
        "Cosine of each candidate to its nearest target example. The further right the selected stand of the "
        "pool, the more the selection had to choose from.",
        "cosine to the nearest target",
        "share of the set, %",
        numbers.edges,
        [_bars(numbers, name) for name in ("pool", "selected")],
    )


def _coverage(numbers: CoverageCurve) -> Chart:
    return Chart(
        "Coverage",
        "How close the first n selected come to the target examples, on average. A curve that is higher "
        "covers the target with fewer examples.",
        "first n of the order",
        "mean best cosine",
        list(numbers.rows),
        [
            Series(NAMES[name], _colour(name), getattr(numbers, name))
            for name in ("selected", "random", "top_relevance")
        ],
        log=True,
    )


def _twins(numbers: Twins) -> Chart:
    return Chart(
        "Redundancy",
        "Cosine of an item to the most similar other item of its set. Mass at the right end is training on "
        "the same thing twice.",
        "cosine to the nearest other item",
        "share of the set, %",
        numbers.edges,
        [_bars(numbers, name) for name in ("random", "top_relevance", "selected")],
    )


def _tradeoff(report: Report) -> Chart:
    """The curve and the point that was taken, in the order of redundancy."""
    curve = [(at.redundancy, at.transport, _lambda(at), None) for at in report.tradeoff]
    taken = report.diagnostics
    chosen = (report.mean_redundancy, None, _lambda(taken), taken.transport)
    rows = sorted([*curve, chosen], key=lambda row: row[0])
    x, transport, lam, own = (list(column) for column in zip(*rows, strict=True))
    return Chart(
        "Trade-off",
        "What more diversity costs: distance to the target against redundancy, at eight values of lambda and "
        "the chosen one, before rounding to whole candidates. The large point is this selection.",
        "redundancy: twins of an item",
        "transport to the target",
        x,
        [
            Series("lambda from 0 to 10", "top-relevance", transport, "dots"),
            Series("this selection", "selected", own, "points"),
            Series("lambda", "pool", lam, "listed"),
        ],
    )


def _lambda(numbers: OpenResponseModel) -> float | None:
    found: float | None = (numbers.model_extra or {})["lambda"]
    return found


def _bars(numbers: Histogram, name: str) -> Series:
    """Counts as per cent of the set; the last edge closes the last bin."""
    counts: list[int] = getattr(numbers, name)
    whole = sum(counts) or 1
    shares = [round(100 * count / whole, 3) for count in counts]
    return Series(NAMES[name], _colour(name), [*shares, 0], "steps")


def _colour(name: str) -> str:
    return name.replace("_", "-")
