"""The demo's data is what the demo says it is."""

from collections import Counter

import pytest

from benchmarks.demo.data import TARGET_SET, TEMPLATES, DemoData, build
from store.records.record import parse_record


@pytest.fixture(scope="module")
def data() -> DemoData:
    return build(seed=0)


def bare(prompt: str) -> str:
    """The question without its template."""
    for template in TEMPLATES:
        before, after = template.split("{}")
        if before and prompt.startswith(before):
            return prompt.removeprefix(before).removesuffix(after)
    return prompt


def test_sizes_and_faults(data: DemoData) -> None:
    kinds = Counter(record["metadata"]["kind"] for record in data.pool)
    assert len(data.pool) == 784
    assert (len(data.target), len(data.test)) == (40, 300)
    assert kinds == {"clean": 588, "wrong_answer": 78, "near_duplicate": 118}
    assert len({record["metadata"]["source"] for record in data.pool}) == 13


def test_every_record_is_accepted_and_no_text_comes_twice(data: DemoData) -> None:
    parsed = [parse_record(record) for record in [*data.target, *data.pool, *data.test]]
    assert len({record.content_hash for record in parsed}) == len(parsed)
    assert len({record.id for record in parsed}) == len(parsed)


def test_target_and_test_are_one_set_and_share_no_question_with_anything(data: DemoData) -> None:
    target, test, pool = (
        {bare(record["prompt"]) for record in part} for part in (data.target, data.test, data.pool)
    )
    assert {record["metadata"]["source"] for record in [*data.target, *data.test]} == {TARGET_SET}
    assert not target & test
    assert not (target | test) & pool


def test_near_duplicates_differ_from_their_originals_and_keep_the_answer(data: DemoData) -> None:
    by_id = {record["id"]: record for record in data.pool}
    for record in data.pool:
        if original := by_id.get(record["metadata"].get("duplicate_of", "")):
            assert original["metadata"]["kind"] == "clean"
            assert bare(record["prompt"]) != bare(original["prompt"])
            assert record["completion"] == original["completion"]


def test_the_seed_decides(data: DemoData) -> None:
    assert build(seed=0) == data
    assert build(seed=1).pool != data.pool
