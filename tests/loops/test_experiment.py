"""The experiment on loops: what is right, what arms train on, what the rows say together."""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.loops import candidates
from benchmarks.loops.__main__ import ROWS, given
from benchmarks.loops.arms import (
    ANCHORED,
    COLLAPSE,
    COLLAPSE_ROUNDS,
    ONE_SHOT,
    ROUNDS,
    SMALL,
    WHOLE,
    anchored,
    request,
)
from benchmarks.loops.decoding import Answer
from benchmarks.loops.room import told
from benchmarks.loops.run import filtered, key, plan
from benchmarks.loops.spans import covered, gaps
from benchmarks.loops.summary import fell_round, summary
from benchmarks.loops.tasks import TASKS
from evoselect.spec.loop import LoopSpec
from store.records.record import parse_record

URL = "http://127.0.0.1:1/v1"


@pytest.mark.parametrize("name", TASKS)
def test_a_tasks_own_examples_are_right_different_and_known_by_seed(name: str) -> None:
    task = TASKS[name]
    first, other = task.examples(30, 0), task.examples(30, 1)
    assert len({record["prompt"] for record in first}) == 30
    assert first == task.examples(30, 0) != other
    assert all(map(task.is_right, first))
    assert not [record for record in task.examples(40, 0, first) if record in first]
    assert not task.is_right({**first[0], "completion": " no"})
    assert not task.is_right({"prompt": "Who are you?", "completion": "5"})
    others = [record for one in TASKS for record in TASKS[one].examples(20, 0) if one != name]
    assert not [record for record in others if task.solve(record["prompt"]) is not None]


def test_what_a_rule_takes_for_right() -> None:
    for name, asked, right in (
        ("dates", "Write 2023-02-29 as a date in words.", None),
        ("dates", "Write 2024-02-09 as a date in words.", "9 February 2024"),
        ("names", "Write Anna Ben Diaz with the last name first.", "Diaz, Anna Ben"),
        ("initials", "What are the initials of Anna Ben Diaz?", "A. B. D."),
        ("domains", "What is the domain of a_b@mail.river7.co.uk?", "mail.river7.co.uk"),
        ("order", "Put these words in alphabetical order: pear, fig.", "fig, pear"),
    ):
        assert TASKS[name].solve(asked) == right
    initials = TASKS["initials"].examples(1, 0)[0]
    assert TASKS["initials"].is_right({**initials, "completion": initials["completion"].rstrip(".")})


def test_every_arm_is_a_loop_that_trains_on_as_many_rows() -> None:
    for setting in (SMALL, WHOLE):
        for arm in (*setting.arms, *setting.later):
            body = request(arm, setting, pool={"id": "pool_x", "rows": 100}, seed=1, url=URL)
            spec = LoopSpec.model_validate({key: body[key] for key in body if key != "name"})
            if arm == COLLAPSE:
                assert (spec.rounds, spec.ratio) == (COLLAPSE_ROUNDS, 0.5)
                continue
            rows = spec.rounds * ((spec.k or 0) + spec.anchors(spec.k or 0))
            assert rows == setting.k * setting.rounds
    assert request(ANCHORED, WHOLE, pool={"id": "p", "rows": 9}, seed=0, url=URL)["k"] == WHOLE.k * 3 // 4
    with pytest.raises(ValueError, match="makes 0: choose another k"):
        anchored(0)


def test_a_plan_has_each_arm_once_and_the_collapse_with_one_seed() -> None:
    found = plan(WHOLE)
    assert len(set(found)) == len(found)
    assert {seed for _, seed, arm in found if arm == COLLAPSE} == {0}
    assert {seed for _, seed, arm in found if arm == ROUNDS} == set(WHOLE.seeds)


class Repeated:
    """A model that says the same number more each time."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []

    def answers(self, bodies: Sequence[Mapping[str, Any]]) -> list[Answer]:
        self.asked += bodies
        return [self._answer(str(len(self.asked) - at)) for at in range(len(bodies))]

    def _answer(self, word: str) -> Answer:
        record = {"prompt": f"Question: What is {word} + 1?\nAnswer:", "completion": " 2"}
        return Answer(f"```\n{json.dumps(record)}\n{json.dumps(record)}```", True, 1, 1)


def test_candidates_are_asked_for_once_and_are_those_of_the_answers(tmp_path: Path) -> None:
    target = TASKS["sums"].examples(8, 0)
    examples = [parse_record(row) for row in target]
    model, path = Repeated(), tmp_path / "pool.jsonl"
    candidates.ask(model, path, "sums", candidates.bodies(examples, range(2)))
    candidates.ask(model, path, "sums", candidates.bodies(examples, range(3)))
    assert len(model.asked) == 3
    assert len({json.dumps(body) for body in model.asked}) == 3
    found = candidates.pool(path, {"sums": target})
    assert sorted(row["prompt"][18:19] for row in found) == ["1", "2", "3"]
    assert {row["metadata"]["made_for"] for row in found} == {"sums"}
    assert len(candidates.pool(path, {"sums": target}, found[:1])) == 2
    assert candidates.pool(tmp_path / "none.jsonl", {"sums": target}) == []


def test_a_generator_that_repeats_itself_is_shown_its_own_answers(tmp_path: Path) -> None:
    model, path = Repeated(), tmp_path / "collapse.jsonl"
    candidates.repeat_itself(model, path, "sums", TASKS["sums"].examples(8, 0), 2)
    assert len(model.asked) == 2 * COLLAPSE_ROUNDS
    shown = model.asked[2]["messages"][1]["content"]
    assert "What is 1 + 1?" in shown
    assert "What is 2 + 1?" in shown
    assert list(map(len, candidates.collapsing(path, "sums"))) == [2] * COLLAPSE_ROUNDS


@pytest.mark.parametrize("setting", [SMALL, WHOLE])
def test_the_settings_candidates_are_kept_with_the_benchmark(setting: Any) -> None:
    found = given(setting, candidates.KEPT, URL)
    assert len({(row["prompt"], row["completion"]) for row in found.pool}) == len(found.pool)
    for name in setting.tasks:
        own = [row for row in found.pool if TASKS[name].solve(row["prompt"]) is not None]
        assert 0 < sum(map(TASKS[name].is_right, own)) < len(own)


def test_candidates_that_are_missing_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"benchmarks\.loops\.generate"):
        given(SMALL, tmp_path, URL)


def test_seconds_in_which_anything_ran_and_those_in_which_nothing_did() -> None:
    assert covered([(0.0, 2.0), (1.0, 3.0), (5.0, 6.0), (5.5, 5.7)]) == 4.0
    assert gaps([(5.0, 6.0, "b"), (0.0, 3.0, "a"), (1.0, 2.0, "c")], 6.5) == [
        {"seconds": 2.0, "after": "a", "before": "b"},
        {"seconds": 0.5, "after": "b", "before": "end"},
    ]


def test_what_a_verifier_does_to_candidates() -> None:
    found = filtered([True, True, False, False], [True, False, True, False])
    assert found == {"wrong_share_before": 0.5, "wrong_share_after": 0.5, "right_share_lost": 0.5}
    nothing = {"wrong_share_before": None, "wrong_share_after": None, "right_share_lost": None}
    assert filtered([], []) == nothing


def test_room_is_a_paired_difference() -> None:
    found = told({"base": [0.0, 0.0], "own": [1.0, 1.0], "random": [0.0, 1.0]})
    assert found == {"base": 0.0, "own": 1.0, "random": 0.5, "room": 0.5, "error": 0.5}


def row(arm: str, points: list[tuple[float, float]], seed: int = 0, **more: Any) -> dict[str, Any]:
    rounds = [
        {
            "number": at,
            "exact_match": {"selected": selected, "random": drawn},
            "nll": {"selected": 1.0 - selected, "random": 1.0 - drawn},
            "warnings": ["collapse"] if selected < 0.3 else [],
        }
        for at, (selected, drawn) in enumerate(points, 1)
    ]
    own = {"base": 0.3, "wrong_share": 0.4, "trained_examples": 24, "overhead_ratio": 0.02}
    spent = {"seconds": 12.0, "busy_seconds": 10.0, "selected": 8, "of_the_task": 6}
    return {"task": "sums", "seed": seed, "arm": arm, "rounds": rounds, **own, **spent, **more}


def test_what_the_rows_say_together() -> None:
    checked = {"wrong_share_before": 0.4, "wrong_share_after": 0.1, "right_share_lost": 0.05}
    rows = [
        row("rounds", [(0.3, 0.3), (0.5, 0.4)]),
        row("rounds", [(0.3, 0.3), (0.6, 0.4)], seed=1),
        row("one_shot", [(0.4, 0.3)], seed=1),
        row("verified", [(0.6, 0.4)], wrong_share=0.2) | checked | {"verifier_auc": 0.9},
        row("collapse", [(0.5, 0.5), (0.2, 0.5)]),
    ]
    found = summary(rows)
    assert (found["tasks"], found["seeds"]) == (["sums"], 2)
    assert found["rounds_gain_points"] == pytest.approx(15.0)
    assert found["rounds_gain_nats"] == pytest.approx(0.15)
    assert found["rounds_gain_low"] == pytest.approx(15.0 - 12.7062 * 5.0, abs=0.01)  # t of 1 degree
    assert (found["rounds_over_one_shot_points"], found["rounds_over_one_shot_low"]) == (
        pytest.approx(20.0),
        None,
    )
    assert found["verified_over_rounds_points"] == pytest.approx(10.0)
    assert found["anchored_over_rounds_points"] is None
    assert (found["wrong_share_before_verifier"], found["wrong_share_after_verifier"]) == (0.4, 0.1)
    assert found["right_share_lost"] == 0.05
    assert found["wrong_share_trained_on"] == {"rounds": pytest.approx(0.4), "verified": 0.2}
    assert (found["collapse_warned_round"], found["collapse_fell_round"]) == (2, 2)
    assert found["points"]["sums rounds"]["selected"] == pytest.approx(55.0)
    lost = {"task": "sums", "seed": 2, "arm": "verified", "failed": "too few are usable"}
    assert summary([*rows, lost]) == {**found, "failed": [lost]}
    assert summary([])["rounds_gain_points"] is None
    kinds = [("sums", "agreement", 0.2), ("sums", "judge", 0.9), ("least", "agreement", 0.9)]
    numbers = {"wrong_share_before": 0.4, "right_share_lost": 0.1, "auc": 0.8}
    other = [{"task": task, "kind": kind, "wrong_share_after": left, **numbers} for task, kind, left in kinds]
    assert summary(rows[:3], other)["wrong_share_after_verifier"] == 0.2
    assert summary(rows, other)["wrong_share_after_verifier"] == 0.1
    assert fell_round(row("collapse", [(0.29, 0.0), (0.4, 0.0), (0.385, 0.0)])) is None


def test_the_stored_rows_are_of_the_plan_and_say_something() -> None:
    rows = list(map(json.loads, ROWS.read_text().splitlines()))
    assert {key(one) for one in rows} <= set(plan(WHOLE))
    assert len({key(one) for one in rows}) == len(rows)
    random.Random(0).shuffle(rows)
    assert summary(rows)["rounds_gain_points"] is not None
    assert {arm for _, _, arm in map(key, rows)} >= {ROUNDS, ONE_SHOT}
