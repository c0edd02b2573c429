"""Rows of a target that are mixed into a training."""

import pytest

from store.errors import Invalid
from store.jobs.requests import Anchors
from store.records.record import parse_record
from workers.trainings.data import anchored

EXAMPLES = [parse_record({"prompt": f"{n}?", "completion": "x"}) for n in range(5)]


def asked(rows: int) -> Anchors:
    return Anchors(target_id="tgt_x", rows=rows)


def test_anchors_are_drawn_by_the_seed_and_none_is_measured_on() -> None:
    apart = {EXAMPLES[0].content_hash}
    found = anchored(EXAMPLES, apart, asked(3), seed=1)
    assert [count for _, count in found] == [1, 1, 1]
    assert {record.id for record, _ in found} < {record.id for record in EXAMPLES[1:]}
    assert found == anchored(EXAMPLES, apart, asked(3), seed=1) != anchored(EXAMPLES, apart, asked(3), seed=2)


def test_where_there_are_fewer_each_comes_as_often_as_can_be() -> None:
    found = anchored(EXAMPLES, set(), asked(13), seed=0)
    assert sorted(count for _, count in found) == [2, 2, 3, 3, 3]


def test_a_target_that_is_measured_on_makes_none() -> None:
    with pytest.raises(Invalid, match="tgt_x has no example that is not measured on") as caught:
        anchored(EXAMPLES, {record.content_hash for record in EXAMPLES}, asked(1), seed=0)
    assert caught.value.code == "no_anchors"
