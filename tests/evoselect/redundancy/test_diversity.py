"""The similarity graph against all pairs, and what its bandwidth calls a twin."""

import numpy as np
import pytest
import scipy.sparse
import torch

from evoselect.capacity import shortlist
from evoselect.pools.pool import Pool
from evoselect.redundancy import diversity
from tests.evoselect.instances import instance

CASE = instance(3_000, 60, 32, seed=2, twins=0.3)


@pytest.mark.parametrize("coarse", [True, False])
def test_cells_find_the_similar_pairs_of_all_pairs(monkeypatch: pytest.MonkeyPatch, coarse: bool) -> None:
    """Whether bfloat16 finds the pairs or float32."""
    monkeypatch.setattr(diversity, "multiplies_faster_coarsely", lambda device: coarse)
    listed = shortlist.build(CASE.pool, CASE.targets, 200)
    rows = CASE.candidates[torch.from_numpy(listed.candidates)]
    s = diversity.bandwidth(CASE.pool, CASE.targets)
    whole = diversity.similarity_dense(rows, s)
    found = diversity.graph_by_cells(rows, diversity.cells(listed.cost), s).toarray()
    assert np.allclose(found[found > 0], whole[found > 0], atol=1e-5)
    assert found.sum() > 0.95 * whole.sum()
    near = whole > 0.5
    assert (found > 0)[near].mean() > 0.98


def test_every_row_sits_in_the_cells_of_its_nearest_targets() -> None:
    cost = shortlist.build(Pool.of(CASE.candidates[:50]), CASE.targets[:10], 50).cost
    members = diversity.cells(cost)
    dense = cost.toarray()
    for row in range(50):
        expected = set(np.argsort(dense[:, row])[: diversity.CELLS].tolist())
        assert {j for j, cell in enumerate(members) if row in cell} == expected


def test_dense_graph_is_the_formula_with_a_zero_diagonal() -> None:
    rows = CASE.candidates[:40]
    s = 0.3
    distance = torch.cdist(rows.double(), rows.double()).numpy()
    expected = np.exp(-(distance**2) / (2 * s * s))
    expected[expected < diversity.FLOOR] = 0.0
    np.fill_diagonal(expected, 0.0)
    assert diversity.similarity_dense(rows, s) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("s", [1e-3, 0.2, 0.5])
def test_graph_of_all_pairs_is_the_dense_one(s: float) -> None:
    rows = CASE.candidates[:700].half()
    found = diversity.graph_of_all(rows, s)
    assert found.has_sorted_indices
    assert np.array_equal(found.toarray(), diversity.similarity_dense(rows, s))
    assert diversity.mean_redundancy(rows, s) == pytest.approx(found.toarray().sum() / 700)


def test_graph_of_one_row_is_empty() -> None:
    assert diversity.graph_of_all(CASE.candidates[:1], 0.2).nnz == 0


def test_bandwidth_separates_copies_from_neighbours() -> None:
    s = diversity.bandwidth(CASE.pool, CASE.targets)
    copies = torch.nn.functional.normalize(CASE.candidates[:1] + 0.02 * torch.randn(2, 32), dim=1)
    assert diversity.similarity_dense(copies, s)[0, 1] > 0.5
    kernel = diversity.similarity_dense(CASE.candidates[:400], s)
    assert np.median(kernel[kernel > 0]) > diversity.FLOOR
    assert (kernel > 0).mean() < 0.05


def test_nearest_twin_is_the_most_similar_row() -> None:
    kernel = np.array([[0, 0.5, 0.7, 0], [0.5, 0, 0, 0], [0.7, 0, 0, 0], [0, 0, 0, 0]])
    graph = scipy.sparse.csr_array(kernel)
    assert diversity.nearest_twin(graph).tolist() == [2, 0, 0, -1]
