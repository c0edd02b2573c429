"""The arms of the experiment as requests of loops: all train on as many examples."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evoselect.spec.loop import LoopSpec
from store.loops.health import LEAST_ROWS
from store.models.allow_list import DEFAULT_ALIAS

Json = dict[str, Any]

ONE_SHOT, ROUNDS, VERIFIED = "one_shot", "rounds", "verified"
ANCHORED, CURRENT, COLLAPSE = "anchored", "current", "collapse"
ANCHOR_SHARE = 0.25
TRAINING: Json = {"epochs": 1.0, "batch_size": 4, "learning_rate": 5e-4}
COLLAPSE_ROUNDS = 5
COLLAPSE_RATIO = 0.5  # of a round's candidates: how many there are is the generator's affair
TINY_TARGET = LEAST_ROWS  # examples: of fewer no collapse is told
PROXY = DEFAULT_ALIAS  # of all arms but CURRENT: features of the one pool are computed once
SAMPLES = 3  # own answers of the generator, beside which a candidate's stands


@dataclass(frozen=True)
class Setting:
    """How large the experiment is."""

    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    target: int
    test: int
    generated: tuple[str, ...]
    """Tasks whose candidates make the pool."""
    candidates: int
    """Of the pool, at most: on-task rows, other tasks' rows, wrong ones, as the generator made them."""
    rounds: int
    k: int
    """Rows that a round trains on; one shot trains on rounds times k."""
    arms: tuple[str, ...]
    later: tuple[str, ...] = ()
    """Arms that are run once all seeds have the others, one after the other."""
    repeated: tuple[str, ...] = ()
    """Tasks of which there are candidates of a generator that repeats itself."""


MADE = ("sums", "least", "dates", "domains")
SMALL = Setting(("dates",), (0,), 32, 40, MADE, 120, 3, 8, (ONE_SHOT, ROUNDS, VERIFIED, ANCHORED))
WHOLE = Setting(
    tasks=("dates", "sums"),
    seeds=(0, 1, 2),
    target=32,
    test=50,
    generated=MADE,
    candidates=480,
    rounds=3,
    k=32,
    arms=(ROUNDS, ONE_SHOT),
    later=(COLLAPSE, VERIFIED, ANCHORED, CURRENT),
    repeated=("sums",),
)


def request(arm: str, setting: Setting, *, pool: Mapping[str, Any], seed: int, url: str) -> Json:
    """The settings of a loop; a random draw stands beside the rounds, which all others are compared with.

    pool: `id` and `rows` of the pool of candidates. url: of the endpoint that verifies.
    """
    if arm == COLLAPSE:
        own: Json = {
            "generator": {"kind": "push"},
            "ratio": COLLAPSE_RATIO,
            "rounds": COLLAPSE_ROUNDS,
            "random_arm": False,
        }
    else:
        rounds = 1 if arm == ONE_SHOT else setting.rounds
        size = pool["rows"] // rounds
        own = {
            "generator": {"kind": "pool", "pool_id": pool["id"], "size": size},
            "rounds": rounds,
            "random_arm": arm == ROUNDS,
            **(anchored(setting.k) if arm == ANCHORED else {"k": setting.rounds * setting.k // rounds}),
        }
    common = {
        "seed": seed,
        "training": TRAINING,
        "evaluation": {"generate": True},
        "name": arm,
        "proxy": "current" if arm == CURRENT else PROXY,
    }
    return own | common | ({"verifier": verifier(url)} if arm == VERIFIED else {})


def verifier(url: str) -> Json:
    """The generator's own answers beside a candidate's."""
    return {
        "kind": "agreement", "url": url, "model": "generator", "samples": SAMPLES, "concurrency": 24,
        "seconds": 600.0, "max_tokens": 24, "calibration": 16,
    }  # fmt: skip


def anchored(rows: int) -> Json:
    """So many selected that they and their anchors are `rows`."""
    for k in range(rows, 0, -1):
        spec = LoopSpec.model_validate({"generator": {"kind": "push"}, "k": k, "anchor_share": ANCHOR_SHARE})
        if k + spec.anchors(k) == rows:
            return {"k": k, "anchor_share": ANCHOR_SHARE}
    raise ValueError(f"no number of selected rows and their anchors makes {rows}: choose another k")
