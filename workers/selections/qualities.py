"""The quality that users give their candidates, as a floor: what is below it is not selected (ours)."""

from collections.abc import Sequence

from evoselect.spec.selection import SelectionSpec
from store.errors import Invalid
from store.records.record import Record


def low(candidates: Sequence[Record], spec: SelectionSpec) -> list[bool]:
    """Per candidate whether its quality is below ``spec.least_quality``.

    Raises Invalid where a candidate has none: it would count as good or as bad, and nobody said which.
    """
    least = spec.least_quality
    if least is None:
        return [False] * len(candidates)
    known = [record.quality for record in candidates if record.quality is not None]
    if len(known) < len(candidates):
        unknown = next(record.id for record in candidates if record.quality is None)
        raise Invalid(
            f"least_quality is {least:g}, but {len(candidates) - len(known)} of {len(candidates)} candidates "
            f"have no quality, the first is {unknown:.80}: give one to each, or leave least_quality out",
            code="missing_quality",
        )
    return [quality < least for quality in known]
