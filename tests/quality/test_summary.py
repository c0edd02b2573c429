"""Differences and their errors against what the numbers were made of."""

import numpy as np
import pytest

from benchmarks.quality.names import CONTROL, OURS, OWN
from benchmarks.quality.summary import Cells, Json, holm, summarise
from evoselect.verdicts.arms import Arm, Training
from evoselect.verdicts.judge import judge

QUESTIONS, SEEDS = 150, 6


def rows(rng: np.random.Generator, shift: float, trainings: float) -> list[Json]:
    """Two methods whose losses differ by `shift`: hard questions are hard for both."""
    hard = rng.normal(2.0, 1.0, QUESTIONS)
    found: list[Json] = []
    for method, extra in ((OURS, shift), (CONTROL, 0.0)):
        own = rng.normal(0.0, 0.3, QUESTIONS)  # what a method is good at
        for seed in range(SEEDS):
            losses = hard + own + extra + rng.normal(0.0, trainings)
            questions = {"choice_cross_entropy": losses, "nll": losses, "correct": "01" * (QUESTIONS // 2)}
            found.append({"task": "T", "method": method, "k": 8, "seed": seed, "questions": questions})
    return found


def test_the_error_covers_questions_and_trainings() -> None:
    rng = np.random.default_rng(0)
    cells = [Cells(rows(rng, 0.0, 0.1), "nll") for _ in range(200)]
    found = [cell.difference(OURS, CONTROL, [("T", 8)]) for cell in cells]
    spread = float(np.std([d.value for d in found]))
    assert np.mean([d.error for d in found]) == pytest.approx(spread, rel=0.15)
    assert np.mean([d.separable for d in found]) < 0.12  # 0.05 and noise of 200 draws, few degrees of freedom


def test_noise_that_tasks_share_does_not_average_out() -> None:
    rng = np.random.default_rng(3)
    errors = []
    for shared in (False, True):
        found: list[Json] = []
        trainings = rng.normal(0.0, 1.0, SEEDS)
        for task in ("A", "B", "C", "D"):
            noise = trainings if shared else rng.permutation(trainings) * rng.choice([-1.0, 1.0])
            for row in rows(rng, 0.0, 0.0):
                losses = row["questions"]["nll"] + (noise[row["seed"]] if row["method"] == CONTROL else 0.0)
                found.append({**row, "task": task, "questions": {"nll": losses}})
        cells = Cells(found, "nll")
        errors.append(cells.difference(OURS, CONTROL, cells.with_all(8, {CONTROL})).error)
    assert errors[1] == pytest.approx(float(trainings.std(ddof=1)) / np.sqrt(SEEDS), rel=0.1)
    assert errors[0] < 0.8 * errors[1]


def with_answers(method: str, seed: int, right: int, task: str = "T") -> Json:
    """A row whose first questions are answered right."""
    losses = [1.0] * QUESTIONS
    correct = "1" * right + "0" * (QUESTIONS - right)
    questions = {"choice_cross_entropy": losses, "nll": losses, "correct": correct}
    return {"task": task, "method": method, "k": 8, "seed": seed, "questions": questions}


def test_a_lead_is_found_and_named() -> None:
    result = summarise(rows(np.random.default_rng(1), -0.5, 0.05), ["T"])
    of = result["by_metric"]["choice_cross_entropy"]
    assert result["mean_rank_cross_entropy"] == 1.0
    assert of["worse"] == []
    assert of["against"][CONTROL]["difference"] == pytest.approx(-0.5, abs=0.15)
    low, high = (of["table"]["T, k=8"][OURS][name] for name in ("low", "high"))
    assert -0.7 < low < high < -0.3


def test_being_worse_is_named_too() -> None:
    result = summarise(rows(np.random.default_rng(2), 0.5, 0.05), ["T"])
    assert result["tasks_worse"] == [f"T, k=8: {CONTROL}"]
    assert result["by_metric"]["accuracy"]["worse"] == []


def test_a_gain_in_accuracy_is_in_points_and_ties_share_a_rank() -> None:
    found = [with_answers(CONTROL, seed, 50 + seed) for seed in range(3)]
    found += [with_answers(OURS, seed, 80 + seed) for seed in range(2)]
    found += [with_answers("less", seed, 80 + seed) for seed in range(2)]
    result = summarise(found, ["T"])
    assert result["accuracy_gain_points"] == pytest.approx(100 * (80.5 - 51) / QUESTIONS, abs=0.01)
    assert 0 < result["accuracy_gain_low"] < result["accuracy_gain_points"]
    assert result["mean_rank_accuracy"] == 1.5
    assert result["by_metric"]["accuracy"]["mean_ranks"] == {OURS: 1.5, "less": 1.5, CONTROL: 3.0}


def test_rows_get_the_verdict_that_a_comparison_would_give() -> None:
    found = [with_answers(CONTROL, seed, 50 + seed) for seed in range(3)]
    assert summarise(found, ["T"])["verdicts"]["accuracy"] == {}  # nothing to compare with
    found += [with_answers(OURS, seed, 80 + seed) for seed in range(2)]
    found += [with_answers(OWN, 0, 140)]  # who knows the pool is no arm
    told = summarise(found, ["T"])["verdicts"]
    scores = np.repeat([1.0, 0.0], [80, QUESTIONS - 80]), np.repeat([1.0, 0.0], [81, QUESTIONS - 81])
    draws = [np.repeat([1.0, 0.0], [right, QUESTIONS - right]) for right in (50, 51, 52)]
    arms = [
        Arm(CONTROL, [Training(seed, values, seed) for seed, values in enumerate(draws)], drawn=True),
        Arm(OURS, [Training(seed, values) for seed, values in enumerate(scores)]),
    ]
    sentence = judge(arms).sentence()
    assert told["accuracy"] == {"T, k=8": {"outcome": "use", "arm": OURS, "arms": 2, "sentence": sentence}}
    assert sentence.startswith("use default (gain +19.7 points, ")
    assert told["choice_cross_entropy"]["T, k=8"]["sentence"].endswith(
        "the interval is +0.000 to +0.000 nats"
    )


def test_a_task_has_room_where_its_own_rows_beat_a_mixed_draw_beyond_chance() -> None:
    found = [with_answers(CONTROL, 0, 60, task) for task in ("A", "B")]
    found += [with_answers(OWN, 0, 90, "A"), with_answers(OWN, 0, 61, "B")]
    result = summarise(found, ["A", "B"])
    assert {task: row["room"] for task, row in result["admission"].items()} == {"A": True, "B": False}
    assert result["tasks_with_room"] == 1
    assert result["admission"]["A"]["own"] == pytest.approx(0.6)


def test_holm_agrees_with_its_adjusted_p_values() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        p_values = {(("T", k), "less"): float(p) for k, p in enumerate(rng.uniform(0.0, 0.03, 6))}
        ordered = sorted(p_values.items(), key=lambda item: item[1])
        adjusted = np.maximum.accumulate([(6 - i) * p for i, (_, p) in enumerate(ordered)])
        assert holm(p_values) == [pair for (pair, _), p in zip(ordered, adjusted, strict=True) if p <= 0.05]


def test_one_of_many_comparisons_that_is_separable_by_a_hair_does_not_stay() -> None:
    found: list[Json] = []
    wave = np.tile([1.0, -1.0], QUESTIONS // 2)
    for i in range(20):
        for method, shift in ((OURS, 0.18 if i == 0 else 0.0), ("less", 0.0)):
            for seed, noise in enumerate((-1e-3, 1e-3)):
                losses = 2.0 + shift + noise + wave * (method == "less")
                found.append({"task": f"T{i}", "method": method, "k": 8, "seed": seed})
                found[-1]["questions"] = {"choice_cross_entropy": losses, "nll": losses, "correct": "01" * 75}
    of = summarise(found, [f"T{i}" for i in range(20)])["by_metric"]["nll"]
    assert of["worse"] == ["T0, k=8: less"]
    assert of["worse_corrected"] == []
