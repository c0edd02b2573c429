"""The tasks share a pool and nothing else."""

from collections import Counter

import pytest

from benchmarks.demo.data import TEMPLATES
from benchmarks.quality.data import TARGETS, TASKS, TESTS, Data, build


@pytest.fixture(scope="module")
def data() -> Data:
    return build()


def question(prompt: str) -> str:
    """Without its template, the longest first: one of them is empty."""
    for template in sorted(TEMPLATES, key=len, reverse=True):
        before, after = template.split("{}")
        if prompt.startswith(before) and prompt.endswith(after):
            return prompt.removeprefix(before).removesuffix(after)
    raise AssertionError(prompt)


def test_no_question_is_on_two_sides(data: Data) -> None:
    sides = [part for task in data.tasks.values() for part in (task.target, task.test)] + [data.pool]
    texts = [{question(record.prompt or "").casefold() for record in side} for side in sides]
    assert sum(map(len, texts)) == len(set[str]().union(*texts))


def test_every_task_has_its_questions_and_a_share_of_the_pool(data: Data) -> None:
    sources = Counter((record.metadata or {})["source"] for record in data.pool)
    assert tuple(data.tasks) == TASKS
    for task in data.tasks.values():
        assert (len(task.target), len(task.test)) == (TARGETS, TESTS[task.name])
        assert all(record.choices for record in task.test)
        assert sources[task.name] > TARGETS


def test_the_injected_faults_have_their_shares(data: Data) -> None:
    kinds = Counter((record.metadata or {})["kind"] for record in data.pool)
    assert kinds["wrong_answer"] == pytest.approx(0.10 * len(data.pool), abs=1)
    assert kinds["near_duplicate"] == pytest.approx(0.15 * len(data.pool), abs=1)


def test_the_redundant_pool_repeats_its_questions_and_changes_no_task(data: Data) -> None:
    redundant = build("redundant")
    assert redundant.tasks == data.tasks
    kinds = Counter((record.metadata or {})["kind"] for record in redundant.pool)
    assert 0.6 < kinds["near_duplicate"] / len(redundant.pool) < 0.65
    assert len({record.content_hash for record in redundant.pool}) == len(redundant.pool)


def test_the_second_redundant_pool_is_of_other_questions(data: Data) -> None:
    again = build("redundant-again")
    for name, task in data.tasks.items():
        known = {question(record.prompt or "") for record in task.target}
        shared = known & {question(record.prompt or "") for record in again.tasks[name].target}
        assert len(shared) < TARGETS / 2
