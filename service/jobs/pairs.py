"""What one evaluation has over another on the same examples, question by question. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from evoselect.measures.intervals import paired
from evoselect.spec.training import MEASURES
from service.jobs.measured import PairedDifference
from store.results.scores import score

Score = Mapping[str, Any]
"""The numbers of one example, or of one question of a named task: a row of the evaluation's table."""


def paired_differences(first: Sequence[Score], second: Sequence[Score]) -> dict[str, PairedDifference | None]:
    """By measure over the records that both evaluations scored.

    The rows are in the order of the same examples. None where fewer than two records have the measure.
    """
    return {name: difference(name, first, second) for name in MEASURES}


def paired_tasks(first: Sequence[Score], second: Sequence[Score]) -> dict[str, PairedDifference | None]:
    """The same by "task metric" for numbers of named tasks, over questions with the same text in both."""
    sides = [_by_metric(rows) for rows in (first, second)]
    found = {}
    for name in sorted(sides[0].keys() & sides[1].keys()):
        one, two = sides[0][name], sides[1][name]
        found[name] = _pairs([(one[question], two[question]) for question in one if question in two])
    return found


def _by_metric(rows: Sequence[Score]) -> dict[str, dict[tuple[int, str], float]]:
    found: dict[str, dict[tuple[int, str], float]] = {}
    for row in rows:
        name = f"{row['task']} {row['metric']}"
        found.setdefault(name, {})[row["doc_id"], row["doc_hash"]] = row["value"]
    return found


def difference(name: str, first: Sequence[Score], second: Sequence[Score]) -> PairedDifference | None:
    """One measure of `paired_differences`."""
    pairs = [(score(name, one), score(name, two)) for one, two in zip(first, second, strict=True)]
    return _pairs([(one, two) for one, two in pairs if one is not None and two is not None])


def _pairs(known: list[tuple[float, float]]) -> PairedDifference | None:
    columns = [one for one, _ in known], [two for _, two in known]
    found = paired(*columns)
    if found is None:
        return None
    first, second = (sum(column) / found.n for column in columns)
    return PairedDifference(
        n=found.n,
        first=first,
        second=second,
        difference=found.difference,
        interval=found.interval,
        p_value=found.p_value,
    )
