"""The experiment on loops: what is right, what arms train on, what the rows say together."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.loops.arms import ANCHORED, SMALL, WHOLE, anchored, request
from benchmarks.loops.candidates import KEPT, kept
from benchmarks.loops.run import covered
from benchmarks.loops.summary import fell_round, summary
from benchmarks.loops.tasks import TASKS
from evoselect.spec.loop import LoopSpec


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


def test_every_arm_is_a_loop_that_trains_on_as_many_rows() -> None:
    for setting in (SMALL, WHOLE):
        for arm in setting.arms:
            body = request(
                arm, setting, pool_id="pool_x", seed=1, judge_url="http://127.0.0.1:1/v1", rubric="r"
            )
            spec = LoopSpec.model_validate({key: body[key] for key in body if key != "name"})
            rows = spec.rounds * ((spec.k or 0) + spec.anchors(spec.k or 0))
            assert rows == setting.k * (5 if arm == "collapse" else setting.rounds)
    assert request(ANCHORED, WHOLE, pool_id="p", seed=0, judge_url=None, rubric="r")["k"] == 48
    with pytest.raises(ValueError, match="makes 0: choose another k"):
        anchored(0)


def test_kept_candidates_are_those_of_the_answers(tmp_path: Path) -> None:
    target = TASKS["sums"].examples(3, 0)
    new = {"prompt": "Question: What is 1 + 1?\nAnswer:", "completion": " 2"}
    answers = [json.dumps(target[0]), f"```\n{json.dumps(new)}\n```", json.dumps(new), "nothing"]
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(json.dumps({"request": {}, "answer": text}) + "\n" for text in answers))
    (found,) = kept(path, target)
    assert (found["prompt"], found["completion"]) == (new["prompt"], new["completion"])


def test_the_small_settings_candidates_are_kept_with_the_benchmark() -> None:
    task = TASKS["sums"]
    found = kept(KEPT / "sums.jsonl", task.examples(SMALL.target, 0))
    assert len(found) == 42 >= SMALL.candidates
    assert sum(map(task.is_right, found)) == 16


def test_seconds_in_which_anything_ran() -> None:
    assert covered([(0.0, 2.0), (1.0, 3.0), (5.0, 6.0), (5.5, 5.7)]) == 4.0


def row(arm: str, points: list[tuple[float, float]], seed: int = 0, **more: Any) -> dict[str, Any]:
    rounds = [
        {
            "number": at,
            "exact_match": {"selected": selected, "random": drawn},
            "warnings": ["collapse"] if selected < 0.3 else [],
        }
        for at, (selected, drawn) in enumerate(points, 1)
    ]
    own = {"base": 0.3, "wrong_share": 0.4, "trained_examples": 24, "overhead_ratio": 0.02}
    return {"task": "sums", "seed": seed, "arm": arm, "rounds": rounds, **own, **more}


def test_what_the_rows_say_together() -> None:
    checked = {"wrong_share": 0.1, "right_share_lost": 0.05, "verifier_auc": 0.9}
    rows = [
        row("rounds", [(0.3, 0.3), (0.5, 0.4)]),
        row("rounds", [(0.3, 0.3), (0.6, 0.4)], seed=1),
        row("verified", [(0.6, 0.4)]) | checked,
        row("collapse", [(0.5, 0.5), (0.2, 0.5)]),
    ]
    found = summary(rows)
    assert (found["tasks"], found["seeds"]) == (["sums"], 2)
    assert found["rounds_gain_points"] == pytest.approx(15.0)
    assert 10.0 <= found["rounds_gain_low"] <= 15.0
    assert (found["wrong_share"], found["wrong_share_after_verifier"]) == (0.4, 0.1)
    assert found["right_share_lost"] == 0.05
    assert (found["collapse_warned_round"], found["collapse_fell_round"]) == (2, 2)
    assert found["points"]["rounds"] == {"base": 30.0, "random": 40.0, "selected": pytest.approx(55.0)}
    lost = {"task": "sums", "seed": 2, "arm": "verified", "failed": "too few are usable"}
    assert summary([*rows, lost]) == {**found, "failed": [lost]}
    assert summary([rows[0]])["rounds_gain_low"] is None
    assert fell_round(row("collapse", [(0.29, 0.0), (0.4, 0.0), (0.385, 0.0)])) is None
