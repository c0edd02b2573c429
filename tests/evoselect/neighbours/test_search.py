"""The three exact searches against the whole sorted matrix."""

from collections.abc import Callable

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


def test_faiss_agrees_with_the_sorted_matrix_where_it_serves() -> None:
    case = instance(300, neighbours.FAISS_TARGETS, 8, seed=6)
    similarity, index = search(case.candidates, case.targets, 20)
    whole = case.targets @ case.candidates.T
    assert torch.allclose(similarity, whole.topk(20, dim=1).values, atol=1e-6)
    assert torch.allclose(whole.gather(1, index), similarity, atol=1e-6)


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
