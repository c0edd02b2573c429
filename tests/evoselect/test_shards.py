"""Eight shards give the shortlist and the solution of one."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.scale import shards
from evoselect.budget import Budget
from evoselect.capacity import shortlist
from evoselect.capacity.rounding import relaxed_optimum
from evoselect.errors import InvalidInput
from evoselect.select import select
from evoselect.spec.selection import SelectionSpec
from tests.evoselect.instances import instance

CASE = instance(2_003, 25, 24, seed=11)


def sharded(count: int, width: int) -> shortlist.Shortlist:
    bounds = np.linspace(0, 2_003, count + 1).astype(int)
    parts = [
        shards.shard_list(CASE.candidates[a:b], CASE.targets, width, int(a))
        for a, b in itertools.pairwise(bounds)
    ]
    return shards.merge(parts, width)


@pytest.mark.parametrize(("count", "width"), [(8, 64), (8, 400), (3, 2_003), (1, 64)])
def test_shards_merge_to_the_shortlist_of_the_whole(count: int, width: int) -> None:
    merged, whole = sharded(count, width), shortlist.build(CASE.candidates, CASE.targets, width)
    assert merged.candidates.tolist() == whole.candidates.tolist()
    assert merged.cost.indices.tolist() == whole.cost.indices.tolist()
    assert np.allclose(merged.cost.data, whole.cost.data, atol=1e-6)
    assert np.allclose(merged.radius, whole.radius, atol=1e-6)


def test_shards_solve_as_the_whole() -> None:
    masses = np.full(25, 0.04)
    merged, whole = sharded(8, 128), shortlist.build(CASE.candidates, CASE.targets, 128)
    first, second = (
        relaxed_optimum(part, masses, Budget.of_rows(len(part.candidates), 150), part.radius)
        for part in (merged, whole)
    )
    assert first.cost == pytest.approx(second.cost, abs=1e-6)
    assert np.array_equal(np.unique(first.plan.nonzero()[0]), np.unique(second.plan.nonzero()[0]))


def test_a_shard_that_lists_too_few_is_refused() -> None:
    parts = [shards.shard_list(CASE.candidates[:1_000], CASE.targets, 10, 0)]
    with pytest.raises(InvalidInput, match="1 of 1 shards list fewer than width = 20"):
        shards.merge(parts, 20)


def test_memory_mapped_half_precision_selects_as_the_array_does(tmp_path: Path) -> None:
    half = CASE.candidates.half().numpy()
    np.save(tmp_path / "features.npy", half)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="c")
    spec = SelectionSpec()
    first = select(torch.from_numpy(mapped), CASE.targets, 100, spec, seed=0)
    second = select(torch.from_numpy(half.copy()), CASE.targets, 100, spec, seed=0)
    assert first.indices.tolist() == second.indices.tolist()
