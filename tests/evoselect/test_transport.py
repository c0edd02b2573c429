"""Transport from any first prices and edges: the same cost as POT's dense simplex."""

import numpy as np
import ot
import pytest
import scipy.sparse
import torch
from torch import Tensor
from torch.nn.functional import normalize

from evoselect.arrays import Floats
from evoselect.transport import exact_transport, over_edges

K, M, D = 60, 12, 8
CLOSE = 1e-7  # float32 prices an edge


def rows_of(seed: int, count: int, *, parts: int = 1) -> Tensor:
    """Unit rows, (count, d); in several ``parts`` all but orthogonal."""
    g = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, D, generator=g)
    if parts > 1:
        noise = noise * 0.1 + torch.eye(D)[torch.arange(count) % parts]
    return normalize(noise, dim=1)


def dense(rows: Tensor, targets: Tensor) -> Floats:
    """(k, M) 1 - cosine."""
    return 1.0 - (rows.double() @ targets.double().T).numpy()


@pytest.mark.parametrize("first", ["zero", "exact", "noise", "dear", "low"])
def test_first_prices_change_no_cost(first: str) -> None:
    """With rows that may keep their supply, from prices that are right, wrong, and far too high or low."""
    cost = dense(rows_of(0, K), rows_of(1, M))
    cost[cost > 1.1] = 0.0
    edges, caps, masses = scipy.sparse.csr_array(cost), np.full(K, 1.0 / 40), np.full(M, 1.0 / M)
    idle = np.arange(K)
    found = over_edges(edges, caps, masses, may_keep=idle)
    noise = np.random.default_rng(0).normal(0.0, 0.3, M)
    start = {
        "zero": np.zeros(M),
        "exact": found.g,
        "noise": found.g + noise,
        "dear": np.full(M, 9.0),
        "low": np.full(M, -9.0),
    }
    again = over_edges(edges, caps, masses, may_keep=idle, start=start[first])
    assert again.cost == pytest.approx(found.cost, abs=1e-12)
    assert again.unmatched == pytest.approx(found.unmatched, abs=1e-12)
    assert float(again.plan.multiply(edges).sum()) == pytest.approx(again.cost, abs=1e-12)
    reduced = (edges.tocoo().data - again.f[edges.tocoo().row]) - again.g[edges.tocoo().col]
    assert reduced.min() >= -1e-9
    assert float(masses @ again.g + caps @ again.f) == pytest.approx(again.cost, abs=1e-9)


@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize("kept", [1, 3, M])
@pytest.mark.parametrize("wrong", [0.0, 0.02, 1.0])
def test_known_edges_and_prices_change_no_cost(parts: int, kept: int, wrong: float) -> None:
    """Edges that carry all, some or too little; plans that fall into parts; prices right and wrong."""
    rows, targets = rows_of(2, K, parts=parts), rows_of(3, M, parts=parts)
    cost, masses, own = dense(rows, targets), np.full(M, 1.0 / M), np.full(K, 1.0 / K)
    truth = ot.emd2(own, masses, cost, numItermax=10**7)
    prices = exact_transport(rows, targets, masses).g + np.random.default_rng(1).normal(0.0, wrong, M)
    few = np.where(np.argsort(np.argsort(cost, axis=1), axis=1) < kept, cost, 0.0)
    found = exact_transport(rows, targets, masses, scipy.sparse.csr_array(few), prices=prices)
    assert found.exact
    assert found.cost == pytest.approx(truth, abs=CLOSE)
    assert found.unmatched == pytest.approx(0.0, abs=1e-12)
    assert np.asarray(found.plan.sum(axis=1)).ravel() == pytest.approx(own, abs=1e-12)
    assert float((cost - found.f[:, None] - found.g).min()) >= -1e-5
