"""Differences and their errors against what the numbers were made of."""

import numpy as np
import pytest

from benchmarks.quality.summary import Cells, Json, half, holm, summarise

QUESTIONS, SEEDS = 150, 6


def rows(rng: np.random.Generator, shift: float, trainings: float) -> list[Json]:
    """Two methods whose losses differ by `shift`: hard questions are hard for both."""
    hard = rng.normal(2.0, 1.0, QUESTIONS)
    found: list[Json] = []
    for method, extra in (("capacity", shift), ("random", 0.0)):
        own = rng.normal(0.0, 0.3, QUESTIONS)  # what a method is good at
        for seed in range(SEEDS):
            losses = hard + own + extra + rng.normal(0.0, trainings)
            questions = {"choice_cross_entropy": losses, "nll": losses, "correct": "01" * (QUESTIONS // 2)}
            found.append({"task": "T", "method": method, "k": 8, "seed": seed, "questions": questions})
    return found


def test_the_error_covers_questions_and_trainings() -> None:
    rng = np.random.default_rng(0)
    cells = [Cells(rows(rng, 0.0, 0.1), "nll") for _ in range(200)]
    found = [cell.difference("capacity", "random", [("T", 8)]) for cell in cells]
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
                losses = row["questions"]["nll"] + (noise[row["seed"]] if row["method"] == "random" else 0.0)
                found.append({**row, "task": task, "questions": {"nll": losses}})
        cells = Cells(found, "nll")
        errors.append(cells.difference("capacity", "random", cells.with_all(8, {"random"})).error)
    assert errors[1] == pytest.approx(float(trainings.std(ddof=1)) / np.sqrt(SEEDS), rel=0.1)
    assert errors[0] < 0.8 * errors[1]


def test_a_lead_is_found_and_named() -> None:
    result = summarise(rows(np.random.default_rng(1), -0.5, 0.05))
    assert result["tasks_beating_random"] == ["T, k=8"]
    assert result["mean_rank_capacity"] == 1.0
    assert result["tasks_significantly_worse"] == []
    assert result["capacity_against"]["8"]["random"]["difference"] == pytest.approx(-0.5, abs=0.15)
    low, high = (result["table"]["T, k=8"]["capacity"][name] for name in ("low", "high"))
    assert -0.7 < low < high < -0.3


def test_being_worse_is_named_too() -> None:
    result = summarise(rows(np.random.default_rng(2), 0.5, 0.05))
    assert result["tasks_beating_random"] == []
    assert result["tasks_significantly_worse"] == ["T, k=8: random"]
    assert result["by_metric"]["accuracy"]["tasks_significantly_worse"] == []


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
        for method, shift in (("capacity", 0.18 if i == 0 else 0.0), ("less", 0.0)):
            for seed, noise in enumerate((-1e-3, 1e-3)):
                losses = 2.0 + shift + noise + wave * (method == "less")
                found.append({"task": f"T{i}", "method": method, "k": 8, "seed": seed})
                found[-1]["questions"] = {"choice_cross_entropy": losses, "nll": losses, "correct": "01" * 75}
    result = summarise(found)
    assert result["tasks_significantly_worse"] == ["T0, k=8: less"]
    assert result["tasks_significantly_worse_corrected"] == []


def test_the_halves_share_no_question() -> None:
    whole = rows(np.random.default_rng(4), -0.5, 0.05)
    means = [summarise(half(whole, rest))["by_metric"]["nll"]["table"] for rest in (0, 1)]
    both = summarise(whole)["by_metric"]["nll"]["table"]["T, k=8"]["capacity"]["mean"]
    assert np.mean([mean["T, k=8"]["capacity"]["mean"] for mean in means]) == pytest.approx(both, abs=1e-3)
    assert means[0] != means[1]
