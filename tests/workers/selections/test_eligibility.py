"""What becomes of every candidate, by the rule alone."""

import numpy as np

from evoselect.spec.selection import SelectionSpec
from store.records.record import Record, parse_record, to_table
from store.records.stored import Records
from workers.features.known import Known
from workers.features.statuses import Statuses
from workers.models.status import Status
from workers.selections.eligibility import counts, eligibility_of, rejected_of
from workers.selections.side import Side


def side(rows: list[str], status: list[Status] | None = None) -> Side:
    records: list[Record] = [
        parse_record({"prompt": text, "completion": "x", "id": f"{n}"}) for n, text in enumerate(rows)
    ]
    tokens = np.zeros(len(rows), dtype=np.int32)
    return Side(Records.of([to_table(records)]), Known(tokens, Statuses.of(status or ["ok"] * len(rows)), ""))


def test_the_first_reason_that_holds_is_the_fate() -> None:
    target = side(["a"])
    pool = side(
        ["a", "b", "c", "c", "d", "e", "e"], ["ok", "ok", "ok", "ok", "too_long", "shard_failed", "ok"]
    )
    excluded = {pool.records[1].content_hash}
    eligibility = eligibility_of(target, pool, excluded, SelectionSpec())
    assert eligibility == [
        "in_target",
        "excluded",
        "usable",
        "exact_duplicate",
        "too_long",
        "shard_failed",
        "usable",
    ]
    found = counts(target, pool, eligibility)
    assert (found.pool, found.usable, sum(found.left_out.values())) == (7, 2, 5)
    assert [row["id"] for row in rejected_of(pool, eligibility)] == ["0", "1", "3", "4", "5"]


def test_texts_that_differ_in_case_alone_are_one_content_where_asked() -> None:
    target, pool = side(["Why?"]), side(["why?", "so", " So", "other"])
    spec = SelectionSpec.model_validate({"near_copies": {"same_text": True}})
    assert eligibility_of(target, pool, set(), spec) == ["in_target", "usable", "exact_duplicate", "usable"]
    assert eligibility_of(target, pool, set(), SelectionSpec()) == ["usable"] * 4
