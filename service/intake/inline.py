"""Records that come inside a JSON body: all are checked, and every fault is pointed at."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import orjson

from service.http.problems import MAX_FAULTS, Problem
from service.intake.prompts import Prompts
from store.records.faults import InvalidRecord, RowFault
from store.records.layout import Layout, Recognised, read_row
from store.records.record import Record


@dataclass(frozen=True, slots=True)
class Rows:
    """Records, the JSON of the rows that they came as, and what those were."""

    records: list[Record] = field(default_factory=list)
    originals: list[str | None] = field(default_factory=list)
    """None where the record says all of the row."""
    recognised: Recognised = field(default_factory=Recognised)

    def some(self, numbers: Sequence[int]) -> Self:
        """Those of the rows with these numbers, from 0."""
        records = [self.records[number] for number in numbers]
        return type(self)(records, [self.originals[number] for number in numbers], self.recognised)


def parse_all(
    values: list[Any], pointer: str, limit: int, layout: Layout, *, prompts: Prompts | None = None
) -> Rows:
    """All records, or a problem that lists the faults.

    `pointer` is the list's place in the body, `prompts` are those that the layout's template makes.
    """
    if not values:
        raise Problem(422, "no_records", f"{pointer} is empty; send at least 1 record.")
    if len(values) > limit:
        raise Problem(
            413,
            "too_many_records",
            f"{pointer} has {len(values)} records, the limit is {limit}; upload a pool in batches.",
        )
    records, recognised = [], Recognised()
    faults: list[RowFault] = []
    for number, (value, prompt) in enumerate((prompts or Prompts(None)).beside(values)):
        try:
            record, shape = read_row(value, layout, prompt)
            records.append(record)
            recognised.add(shape, record, value, filled=prompt is not None)
        except InvalidRecord as fault:
            place = RowFault(pointer=f"{pointer}/{number}", line=number + 1)
            faults.append({**place, "code": fault.code, "detail": fault.detail})
    if faults:
        reasons = Counter(fault["code"] for fault in faults)
        raise refused(faults[:MAX_FAULTS], reasons, len(values))
    return Rows(records, [orjson.dumps(value).decode() for value in values], recognised)


def refused(faults: Sequence[RowFault], reasons: Counter[str], received: int) -> Problem:
    """Nothing was stored because of bad records, counted by code; `faults` holds the first of them."""
    counted = ", ".join(f"{count} {code}" for code, count in reasons.most_common())
    detail = (
        f"{reasons.total()} of {received} records cannot be used ({counted}); the first: "
        f"{faults[0]['detail']}"
    )
    return Problem(422, "invalid_records", detail, errors=faults)
