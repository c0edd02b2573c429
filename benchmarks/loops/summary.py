"""What the runs say together. Pure: rows in, numbers out; None where nothing of the kind was run.

Points are of exact match, in per cent, after the last round. Gains are differences of two arms, or of the two
draws of one, with the same task and seed; their 95 % interval is Student's over these pairs, so that it holds
the noise between trainings. It does not hold that of other test questions.
"""

from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from benchmarks.loops.arms import ANCHORED, COLLAPSE, CURRENT, ONE_SHOT, ROUNDS, VERIFIED
from evoselect.verdicts.student import quantile

Json = dict[str, Any]

FELL = 2.0  # points of exact match below the best round so far
OUTSIDE = 0.05  # share of intervals that may miss


def summary(rows: Sequence[Json], checks: Sequence[Json] = ()) -> Json:
    """rows: one a task, seed and arm, as `run` makes them. checks: rows of `verifiers`, one a task and kind.

    Where no arm was verified, checks say what the verifier does to the tasks' candidates.
    """
    failed = [
        {name: row[name] for name in ("task", "seed", "arm", "failed")} for row in rows if "failed" in row
    ]
    rows = [row for row in rows if "failed" not in row]
    of_rounds = [row for row in rows if row["arm"] == ROUNDS]
    return {
        "tasks": sorted({row["task"] for row in rows}),
        "seeds": len({row["seed"] for row in rows}),
        "points": {f"{task} {arm}": _of_arm(found) for (task, arm), found in _grouped(rows).items()},
        **_gain("rounds_gain", [_points(row) - _points(row, "random") for row in of_rounds]),
        "rounds_gain_nats": _mean([_nats(row, "random") - _nats(row, "selected") for row in of_rounds]),
        **_gain("rounds_over_one_shot", _apart(rows, ROUNDS, ONE_SHOT)),
        **_gain("verified_over_rounds", _apart(rows, VERIFIED, ROUNDS)),
        **_gain("anchored_over_rounds", _apart(rows, ANCHORED, ROUNDS)),
        **_gain("current_over_rounds", _apart(rows, CURRENT, ROUNDS)),
        **_verified(rows, checks),
        **_collapse([row for row in rows if row["arm"] == COLLAPSE]),
        "overhead_ratio": _mean([row["overhead_ratio"] for row in rows]),
        "overhead_seconds_a_round": _mean(
            [(row["seconds"] - row["busy_seconds"]) / len(row["rounds"]) for row in rows]
        ),
        "trained_examples": {arm: _trained(rows, arm) for arm in (ONE_SHOT, ROUNDS)},
        "failed": failed,
    }


def _grouped(rows: Sequence[Json]) -> dict[tuple[str, str], list[Json]]:
    found: dict[tuple[str, str], list[Json]] = {}
    for row in rows:
        found.setdefault((row["task"], row["arm"]), []).append(row)
    return found


def _of_arm(rows: Sequence[Json]) -> Json:
    names = sorted({name for row in rows for name in row["rounds"][-1]["exact_match"]})
    found = {name: _mean([_points(row, name) for row in rows]) for name in names}
    wrong = [row["wrong_share"] for row in rows if row["wrong_share"] is not None]
    own = [row["of_the_task"] / row["selected"] for row in rows]
    return {
        "runs": len(rows),
        "base": _mean([100 * row["base"] for row in rows]),
        **found,
        "of_the_task": _mean(own),
        "wrong_share": _mean(wrong),
    }


def _points(row: Json, draw: str = "selected") -> float:
    return 100.0 * float(row["rounds"][-1]["exact_match"][draw])


def _nats(row: Json, draw: str) -> float:
    return float(row["rounds"][-1]["nll"][draw])


def _apart(rows: Sequence[Json], arm: str, other: str) -> list[float]:
    """Points of one arm's selected draw above another's, where both were run on a task and seed."""
    there = {(row["task"], row["seed"]): _points(row) for row in rows if row["arm"] == other}
    return [
        _points(row) - there[at]
        for row in rows
        if row["arm"] == arm and (at := (row["task"], row["seed"])) in there
    ]


def _gain(name: str, found: Sequence[float]) -> Json:
    """Mean and 95 % interval of differences; no interval of fewer than two."""
    low = high = None
    if len(found) > 1:
        half = quantile(OUTSIDE, len(found) - 1) * stdev(found) / len(found) ** 0.5
        low, high = mean(found) - half, mean(found) + half
    return {f"{name}_points": _mean(found), f"{name}_low": low, f"{name}_high": high}


def _verified(rows: Sequence[Json], checks: Sequence[Json]) -> Json:
    """Of the task's candidates: wrong ones before and after the verifier, and right ones that it lost."""
    tasks = {row["task"] for row in rows}
    found = [row | {"auc": row["verifier_auc"]} for row in rows if row["arm"] == VERIFIED] or [
        row for row in checks if row["kind"] == "agreement" and row["task"] in tasks
    ]
    return {
        "wrong_share_before_verifier": _known(found, "wrong_share_before"),
        "wrong_share_after_verifier": _known(found, "wrong_share_after"),
        "right_share_lost": _known(found, "right_share_lost"),
        "verifier_auc": _known(found, "auc"),
        "wrong_share_trained_on": {
            arm: _known([row for row in rows if row["arm"] == arm], "wrong_share")
            for arm in (ROUNDS, VERIFIED)
        },
    }


def _collapse(rows: Sequence[Json]) -> Json:
    """The first rounds, over all runs, of a warning and of a fall."""
    warned = [at for row in rows if (at := warned_round(row)) is not None]
    fell = [at for row in rows if (at := fell_round(row)) is not None]
    return {
        "collapse_warned_round": min(warned, default=None),
        "collapse_fell_round": min(fell, default=None),
    }


def warned_round(row: Json) -> int | None:
    """The first round of which `collapse` was told."""
    return next((one["number"] for one in row["rounds"] if "collapse" in one["warnings"]), None)


def fell_round(row: Json) -> int | None:
    """The first round whose selected arm lies FELL points below the best so far, the base model included."""
    best = 100.0 * row["base"]
    for one in row["rounds"]:
        points = 100.0 * one["exact_match"]["selected"]
        if points < best - FELL:
            return int(one["number"])
        best = max(best, points)
    return None


def _trained(rows: Sequence[Json], arm: str) -> list[int]:
    return sorted({row["trained_examples"] for row in rows if row["arm"] == arm})


def _known(rows: Sequence[Json], name: str) -> float | None:
    return _mean([row[name] for row in rows if row[name] is not None])


def _mean(values: Sequence[float]) -> float | None:
    return mean(values) if values else None
