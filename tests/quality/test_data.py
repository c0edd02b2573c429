"""The tasks share a pool and nothing else; pools differ in what they say they differ in."""

from collections import Counter

import pytest

from benchmarks.demo.data import TARGET_TEMPLATE, TEMPLATES
from benchmarks.quality.data import DEVELOPMENT, POOLS, REPORTING, TARGETS, TESTS, Data, Pool, build
from store.records.record import Record


@pytest.fixture(scope="module")
def pools() -> dict[Pool, Data]:
    return {pool: build(pool) for pool in POOLS}


def template(record: Record) -> str:
    """The one that the prompt stands in, the longest first: one of them is empty."""
    prompt = record.prompt or ""
    for found in sorted(TEMPLATES, key=len, reverse=True):
        before, after = found.split("{}")
        if prompt.startswith(before) and prompt.endswith(after):
            return found
    raise AssertionError(prompt)


def question(record: Record) -> str:
    before, after = template(record).split("{}")
    return (record.prompt or "").removeprefix(before).removesuffix(after)


def marks(data: Data, name: str) -> Counter[str]:
    return Counter((record.metadata or {})[name] for record in data.pool)


def test_no_question_is_on_two_sides(pools: dict[Pool, Data]) -> None:
    for data in pools.values():
        sides = [part for task in data.tasks.values() for part in (task.target, task.test)] + [data.pool]
        texts = [{question(record).casefold() for record in side} for side in sides]
        assert sum(map(len, texts)) == len(set[str]().union(*texts))


def test_every_task_has_its_questions_and_a_share_of_the_pool(pools: dict[Pool, Data]) -> None:
    data = pools["mixed"]
    assert tuple(data.tasks) == (*DEVELOPMENT, *REPORTING)
    assert not set(DEVELOPMENT) & set(REPORTING)
    for task in data.tasks.values():
        assert (len(task.target), len(task.test)) == (TARGETS, TESTS)
        assert all(record.choices for record in task.test)
        assert {template(record) for record in [*task.target, *task.test]} == {TARGET_TEMPLATE}
        assert marks(data, "source")[task.name] > TARGETS
    assert all(other.tasks == data.tasks for other in pools.values())


@pytest.mark.parametrize(("pool", "wrong"), [("mixed", 0.10), ("wrong", 0.30), ("other-templates", 0.10)])
def test_the_injected_faults_have_their_shares(pools: dict[Pool, Data], pool: Pool, wrong: float) -> None:
    kinds, size = marks(pools[pool], "kind"), len(pools[pool].pool)
    assert kinds["wrong_answer"] == pytest.approx(wrong * size, abs=1)
    assert kinds["near_duplicate"] == pytest.approx(0.15 * size, abs=1)


def test_own_questions_stand_in_the_targets_template_in_two_pools_of_three(pools: dict[Pool, Data]) -> None:
    for pool, data in pools.items():
        own = [record for record in data.pool if (record.metadata or {})["source"] in data.tasks]
        alike = sum(template(record) == TARGET_TEMPLATE for record in own) / len(own)
        assert alike == 0 if pool == "other-templates" else 0.25 < alike < 0.42
