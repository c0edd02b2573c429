"""What the runs say together. Pure: rows in, numbers out; None where nothing of the kind was run."""

from collections.abc import Sequence
from typing import Any

from benchmarks.loops.arms import COLLAPSE, ONE_SHOT, ROUNDS, VERIFIED
from evoselect.measures.intervals import bootstrap

Json = dict[str, Any]

FELL = 2.0  # points of exact match below the best round so far


def summary(rows: Sequence[Json]) -> Json:
    """rows: one a task, seed and arm, as `run` makes them; points are of exact match, in per cent."""
    failed = [
        {name: row[name] for name in ("task", "seed", "arm", "failed")} for row in rows if "failed" in row
    ]
    rows = [row for row in rows if "failed" not in row]
    gains = [_points(row, "selected") - _points(row, "random") for row in rows if row["arm"] == ROUNDS]
    interval = bootstrap(gains)
    return {
        "tasks": sorted({row["task"] for row in rows}),
        "seeds": len({row["seed"] for row in rows}),
        "points": {arm: _of_arm([row for row in rows if row["arm"] == arm]) for arm in _arms(rows)},
        "rounds_gain_points": _mean(gains),
        "rounds_gain_low": interval[0] if interval else None,
        **_verified(rows),
        **_collapse([row for row in rows if row["arm"] == COLLAPSE]),
        "overhead_ratio": _mean([row["overhead_ratio"] for row in rows]),
        "trained_examples": {arm: _trained(rows, arm) for arm in (ONE_SHOT, ROUNDS)},
        "failed": failed,
    }


def _arms(rows: Sequence[Json]) -> list[str]:
    return list(dict.fromkeys(row["arm"] for row in rows))


def _of_arm(rows: Sequence[Json]) -> Json:
    names = sorted({name for row in rows for name in row["rounds"][-1]["exact_match"]})
    found = {name: _mean([_points(row, name) for row in rows]) for name in names}
    return {"base": _mean([100 * row["base"] for row in rows]), **found}


def _points(row: Json, draw: str) -> float:
    return 100.0 * float(row["rounds"][-1]["exact_match"][draw])


def _verified(rows: Sequence[Json]) -> Json:
    """Of the same candidates: wrong ones among what is trained on, and right ones that a verifier lost."""
    with_it = [row for row in rows if row["arm"] == VERIFIED]
    without = [row for row in rows if row["arm"] == ROUNDS]
    return {
        "wrong_share": _mean([row["wrong_share"] for row in without]),
        "wrong_share_after_verifier": _mean([row["wrong_share"] for row in with_it]),
        "right_share_lost": _mean(
            [row["right_share_lost"] for row in with_it if row["right_share_lost"] is not None]
        ),
        "verifier_auc": _mean([row["verifier_auc"] for row in with_it if row["verifier_auc"] is not None]),
    }


def _collapse(rows: Sequence[Json]) -> Json:
    """The first rounds, over all runs, of a warning and of a fall."""
    warned = [at for row in rows if (at := _warned(row)) is not None]
    fell = [at for row in rows if (at := fell_round(row)) is not None]
    return {
        "collapse_warned_round": min(warned, default=None),
        "collapse_fell_round": min(fell, default=None),
    }


def _warned(row: Json) -> int | None:
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


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
