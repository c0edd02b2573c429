"""The arms of the experiment as requests of loops: all train on as many examples."""

from dataclasses import dataclass
from typing import Any

from evoselect.spec.loop import LoopSpec
from store.loops.health import LEAST_ROWS

Json = dict[str, Any]

ONE_SHOT, ROUNDS, VERIFIED, ANCHORED, COLLAPSE = "one_shot", "rounds", "verified", "anchored", "collapse"
ANCHOR_SHARE = 0.25
COLLAPSE_ROUNDS = 5
TINY_TARGET = LEAST_ROWS  # examples: of fewer no collapse is told


@dataclass(frozen=True)
class Setting:
    """How large the experiment is."""

    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    target: int
    test: int
    candidates: int
    rounds: int
    k: int
    """Rows that a round trains on; one shot trains on rounds times k."""
    arms: tuple[str, ...]


SMALL = Setting(("sums",), (0,), 16, 40, 36, 3, 4, (ONE_SHOT, ROUNDS, VERIFIED, ANCHORED))
WHOLE = Setting(
    ("sums", "least"), (0, 1, 2), 40, 200, 480, 3, 64, (ONE_SHOT, ROUNDS, VERIFIED, ANCHORED, COLLAPSE)
)


def request(
    arm: str, setting: Setting, *, pool_id: str, seed: int, judge_url: str | None, rubric: str
) -> Json:
    """The settings of a loop on a pool of candidates; random draws stand beside every arm."""
    rounds = {ONE_SHOT: 1, COLLAPSE: COLLAPSE_ROUNDS}.get(arm, setting.rounds)
    rows = setting.rounds * setting.k if arm == ONE_SHOT else setting.k
    body: Json = {
        "generator": {"kind": "pool", "pool_id": pool_id, "size": setting.candidates // rounds},
        "k": rows,
        "rounds": rounds,
        "random_arm": arm != COLLAPSE,
        "seed": seed,
        "training": {"epochs": 1.0, "batch_size": 4, "learning_rate": 1e-3},
        "evaluation": {"generate": True},
        "name": arm,
    }
    if arm == VERIFIED:
        body["verifier"] = {
            "kind": "judge", "url": judge_url, "model": "generator", "concurrency": 1, "seconds": 600.0,
            "max_tokens": 24, "calibration": min(16, setting.target), "rubric": rubric,
        }  # fmt: skip
    return body | (anchored(setting.k) if arm == ANCHORED else {})


def anchored(rows: int) -> Json:
    """So many selected that they and their anchors are `rows`."""
    for k in range(rows, 0, -1):
        spec = LoopSpec.model_validate({"generator": {"kind": "push"}, "k": k, "anchor_share": ANCHOR_SHARE})
        if k + spec.anchors(k) == rows:
            return {"k": k, "anchor_share": ANCHOR_SHARE}
    raise ValueError(f"no number of selected rows and their anchors makes {rows}: choose another k")
