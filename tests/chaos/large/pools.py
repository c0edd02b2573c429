"""Pools that are large to workers of tests.chaos.phases.large, and what the library selects from them."""

import hashlib
import io
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import orjson
import torch
from torch import Tensor

from evoselect.budget import Budget
from evoselect.representations.shards import condition
from evoselect.select import select
from evoselect.spec.features import FeatureSpec
from evoselect.spec.selection import SelectionSpec
from store.artifacts import Artifacts
from store.jobs.results import files_of
from store.kit.json import Json
from store.records.record import parse_record
from store.results import items as selected
from tests.chaos.phases.large.conditions import WIDTH, WINDOW, lower
from tests.workers.selections import computing

TARGETS, CANDIDATES, K = 4, 2 * WINDOW - 4, 2
SIZES = {"target": TARGETS, "pool": CANDIDATES}
SPEC: dict[str, Any] = {"conditioning": "whitened", "match": "both"}


def records(role: str, rng: Random) -> list[Json]:
    """Of texts that have nothing in common, numbered from anywhere on."""
    first = rng.randrange(10**6)
    return [
        {"id": f"{role}{first + row}", "prompt": f"{rng.random()} {rng.random()}?", "completion": "x"}
        for row in range(SIZES[role])
    ]


def body(rng: Random, **changed: Any) -> Json:
    """A request whose features are computed."""
    sides = {"target": records("target", rng), "candidates": records("pool", rng)}
    return {**sides, "k": K, "seed": 0, "features": {"kind": "gradient", **SPEC}, **changed}


def body_of_sent(rng: Random, files: Json) -> Json:
    """A request by matrices that were sent: files {target, pool} of them, by id."""
    return body(rng, features={"kind": "provided", **SPEC}, feature_files=files)


def matrix(role: str) -> np.ndarray[Any, np.dtype[np.float16]]:
    """(rows, WIDTH); a row repeats another, and one of the candidates is not finite."""
    rng = np.random.default_rng(len(role))
    values = (rng.normal(size=(SIZES[role], WIDTH)) + 0.5).astype(np.float16)
    values[-1] = values[1]
    if role == "pool":
        values[WINDOW + 3, 3] = np.nan
    return values


def as_npy(role: str) -> bytes:
    """The matrix as it is sent."""
    stream = io.BytesIO()
    np.save(stream, matrix(role))
    return stream.getvalue()


def expected_of_computed(asked: Json) -> str:
    """What one process selects by features that are computed."""
    sides = []
    for side in ("candidates", "target"):
        block = computing.features([parse_record(record) for record in asked[side]])
        usable = [row for row, status in enumerate(block.status) if status == "ok"]
        stored = block.values[usable].astype(np.float16)  # as blocks hold them
        sides.append((torch.from_numpy(stored), [asked[side][row]["id"] for row in usable]))
    (pool, ids), (goal, _) = sides
    return _selected(pool, goal, ids)


def expected_of_sent(asked: Json) -> str:
    """What one process selects by the matrices."""
    values = matrix("pool")
    usable = np.flatnonzero(np.isfinite(values).all(axis=1)).tolist()
    pool, goal = (torch.from_numpy(side)[:, None] for side in (values[usable], matrix("target")))
    return _selected(pool, goal, [asked["candidates"][row]["id"] for row in usable])


def _selected(pool: Tensor, goal: Tensor, ids: Sequence[str]) -> str:
    lower()
    rows, targets = condition(pool, goal, FeatureSpec.model_validate(SPEC))
    budget = Budget.of_rows(len(ids), K)
    found = select(rows.half(), targets, budget, SelectionSpec(), seed=0, compare_with_baselines=False)
    chosen = [ids[row] for row in found.indices.tolist()]
    return _named(list(zip(chosen, found.weights.tolist(), strict=True)))


def answer(artifacts: Artifacts, result: Json) -> str:
    """The same hash of ids and weights, in order, of a result of the service."""
    found = selected.first(artifacts, files_of(result).items, K)
    return _named([(item["id"], item["weight"]) for item in found])


def _named(chosen: Sequence[tuple[str, float]]) -> str:
    return hashlib.sha256(orjson.dumps(chosen)).hexdigest()
