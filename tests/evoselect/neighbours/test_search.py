"""The exact searches against the whole sorted matrix and FAISS."""

from collections.abc import Callable

import faiss
import numpy as np
import pytest
import torch

from evoselect.neighbours import search as neighbours
from evoselect.neighbours.search import nearest_above, nearest_blocked, search
from tests.evoselect.instances import instance

Search = Callable[[torch.Tensor, torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]]
CASE = instance(20_000, 12, 16, seed=3)
SORTED = (CASE.targets @ CASE.candidates.T).sort(dim=1, descending=True)


@pytest.mark.parametrize("count", [1, 7, 128, 129, 1_000])
@pytest.mark.parametrize("find", [search, nearest_above, nearest_blocked])
def test_searches_agree_with_the_sorted_matrix(find: Search, count: int) -> None:
    similarity, index = find(CASE.candidates, CASE.targets, count)
    assert torch.allclose(similarity, SORTED.values[:, :count], atol=1e-6)
    found = torch.gather(CASE.targets @ CASE.candidates.T, 1, index)
    assert torch.allclose(found, similarity, atol=1e-6)
    assert all(len(set(row)) == count for row in index.tolist())


def test_blocks_of_both_sides_find_what_faiss_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many targets, which come in turns."""
    monkeypatch.setattr(neighbours, "PRODUCT_ENTRIES", 2**16)
    case = instance(900, 2_000, 8, seed=6)
    similarity, index = search(case.candidates, case.targets, 20)
    rows, targets = case.candidates.numpy(), case.targets.numpy()
    expected, _ = faiss.knn(targets, rows, 20, metric=faiss.METRIC_INNER_PRODUCT)
    assert np.allclose(similarity.numpy(), expected, atol=1e-6)
    assert torch.allclose((case.targets @ case.candidates.T).gather(1, index), similarity, atol=1e-6)


def test_coarse_and_exact_products_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever is faster on a machine; 70,000 rows are a large product."""
    case, found = instance(70_000, 61, 16, seed=2), []
    for coarse in (True, False):
        monkeypatch.setattr(neighbours, "multiplies_faster_coarsely", lambda device, coarse=coarse: coarse)
        found.append(nearest_above(case.candidates, case.targets, 100))
    assert torch.allclose(found[0][0], found[1][0], atol=1e-6)
    assert torch.allclose((case.targets @ case.candidates.T).gather(1, found[0][1]), found[0][0], atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes_are_searched_in_float32(dtype: torch.dtype) -> None:
    small = instance(300, 5, 8).candidates.to(dtype)
    similarity, index = search(small, CASE.targets[:, :8].to(dtype), 20)
    whole = CASE.targets[:, :8].to(dtype).float() @ small.float().T
    assert torch.allclose(similarity, whole.topk(20, dim=1).values, atol=1e-6)
    assert similarity.dtype == torch.float32
    assert index.shape == (12, 20)


def test_a_threshold_that_cuts_too_much_falls_back_to_the_full_search() -> None:
    """Equal candidates sit in places that the strided sample never sees."""
    step = int(1 / neighbours.SAMPLE_SHARE)
    pool = torch.nn.functional.normalize(
        torch.randn(40_000, 4, generator=torch.Generator().manual_seed(0)), dim=1
    )
    step = min(step, 40_000 // neighbours.MIN_SAMPLE)
    target = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    pool[::step] = target
    similarity, index = nearest_above(pool, target, 9_500)
    expected = (target @ pool.T).topk(9_500, dim=1).values
    assert torch.allclose(similarity, expected)
    assert np.unique(index.numpy()).size == 9_500
