"""Records that come inside a JSON body: all are checked, and every fault is pointed at."""

from typing import Any

from service.http.problems import MAX_FAULTS, Problem
from store.records.faults import InvalidRecord
from store.records.layout import Layout, Recognised, read_row
from store.records.record import Record


def parse_all(values: list[Any], pointer: str, limit: int, layout: Layout) -> tuple[list[Record], Recognised]:
    """All records and what they were recognised as, or a problem that lists the faults.

    `pointer` is the list's place in the body.
    """
    if not values:
        raise Problem(422, "no_records", f"{pointer} is empty; send at least 1 record.")
    if len(values) > limit:
        raise Problem(
            413,
            "too_many_records",
            f"{pointer} has {len(values)} records, the limit is {limit}; upload a pool in batches.",
        )
    records, faults, recognised = [], [], Recognised()
    for number, value in enumerate(values):
        try:
            record, shape = read_row(value, layout)
            records.append(record)
            recognised.add(shape, record, value)
        except InvalidRecord as fault:
            place = {"pointer": f"{pointer}/{number}", "line": number + 1}
            faults.append({**place, "code": fault.code, "detail": fault.detail})
    if faults:
        raise refused(faults[:MAX_FAULTS], len(faults), len(values))
    return records, recognised


def refused(faults: list[dict[str, Any]], count: int, received: int) -> Problem:
    """Nothing was stored because of `count` bad records; `faults` holds the first of them."""
    detail = f"{count} of {received} records cannot be used; the first: {faults[0]['detail']}"
    return Problem(422, "invalid_records", detail, errors=faults)
