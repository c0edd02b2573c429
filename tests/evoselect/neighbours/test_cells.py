"""Cells: every row lies in the nearest one, and the recall that is measured is the one that a search has."""

import numpy as np
import pytest
import torch

from evoselect.neighbours import cells


def clustered(rows: int, width: int) -> torch.Tensor:
    """Unit rows around some centres."""
    draw = torch.Generator().manual_seed(3)
    centres = torch.randn(12, width, generator=draw)
    near = centres[torch.arange(rows) % 12] + 0.6 * torch.randn(rows, width, generator=draw)
    return torch.nn.functional.normalize(near, dim=1)


ROWS = clustered(900, 16)
CENTRES = cells.fitted(ROWS, 30)
OWN = cells.cell_of(ROWS, CENTRES)


def searched(query: int, probes: int, count: int) -> set[int]:
    """The nearest rows in so many cells."""
    probed = torch.topk(CENTRES @ ROWS[query], probes).indices.numpy()
    cosine = (ROWS @ ROWS[query]).double().numpy()
    cosine[~np.isin(OWN, probed)] = -np.inf
    cosine[query] = -np.inf
    return {int(row) for row in np.argsort(-cosine, kind="stable")[:count] if cosine[row] > -np.inf}


def test_a_row_lies_in_the_cell_of_largest_product() -> None:
    assert CENTRES.shape == (30, 16)
    assert torch.allclose(torch.linalg.vector_norm(CENTRES, dim=1), torch.ones(30), atol=1e-5)
    assert ((ROWS @ CENTRES.T).argmax(dim=1).numpy() == OWN).all()
    assert len(set(OWN.tolist())) > 20


@pytest.mark.parametrize("cut", [[900], [1, 400, 900]])
def test_the_measured_recall_is_that_of_a_search(cut: list[int]) -> None:
    queries = np.arange(0, 900, 60)
    watch = cells.Watch(ROWS[queries], queries, 10)
    for start, stop in zip([0, *cut], cut, strict=False):
        watch.look(ROWS[start:stop], np.arange(start, stop), OWN[start:stop])
    probes = watch.probes(CENTRES)
    assert 1 <= probes.count < 30
    assert probes.recall >= cells.WANTED
    for count, recall in ((probes.count, probes.recall), (probes.count - 1, None)):
        found = [
            len(searched(query, count, 10) & searched(query, 30, 10)) for query in queries.tolist() if count
        ]
        share = sum(found) / (10 * len(queries))
        assert share == pytest.approx(recall) if recall else share < cells.WANTED


def test_without_a_pair_one_cell_is_enough() -> None:
    watch = cells.Watch(ROWS[:1], np.array([0]), 10)
    watch.look(ROWS[:1], np.array([0]), OWN[:1])
    assert watch.probes(CENTRES) == cells.Probes(1, 1.0)


def test_the_sample_is_bounded_and_never_smaller_than_the_cells() -> None:
    assert cells.count_for(1_000_000) == 1_000
    assert cells.sample_for(1_000_000, 576) == 64_000
    assert cells.sample_for(1_000_000, 1_000_000) == 1_000
    assert cells.sample_for(5, 576) == 5
