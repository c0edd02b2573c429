"""What holds for every shape and geometry: k rows, a bound that bounds, plans that carry the mass."""

import numpy as np
import ot
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from evoselect.arrays import Ints
from evoselect.groups.masses import spread
from evoselect.pools.pool import Pool
from evoselect.repeats import apportion
from evoselect.select import select
from evoselect.spec.selection import SelectionSpec
from evoselect.transport import exact_transport
from evoselect.usable import distinct_rows
from tests.evoselect.instances import unit

GEOMETRIES = ("free", "duplicates", "orthogonal", "one point", "line", "opposite")


def first_rows(candidates: torch.Tensor) -> Ints:
    pool = Pool.of(candidates)
    return distinct_rows(pool, pool.keys())


def matrix(rng: np.random.Generator, n: int, d: int, geometry: str) -> torch.Tensor:
    rows = rng.normal(size=(n, d))
    if geometry == "duplicates":
        rows = rows[rng.integers(0, max(1, n // 3), n)]
    elif geometry == "orthogonal":
        rows = np.eye(d)[np.arange(n) % d]
    elif geometry == "one point":
        rows = np.ones((n, d))
    elif geometry == "line":
        rows = np.outer(np.ones(n), np.ones(d)) + 1e-4 * rows
    elif geometry == "opposite":
        rows = np.outer(np.where(np.arange(n) % 2, 1.0, -1.0), np.ones(d))
    return unit(rows)


@st.composite
def problems(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, int, float]:
    n, m, d = draw(st.integers(1, 60)), draw(st.integers(1, 15)), draw(st.integers(1, 10))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    candidates = matrix(rng, n, d, draw(st.sampled_from(GEOMETRIES)))
    targets = matrix(rng, m, d, draw(st.sampled_from(GEOMETRIES)))
    return candidates, targets, draw(st.integers(1, n)), draw(st.sampled_from([0.0, 0.1, 3.0]))


@settings(max_examples=60, deadline=None)
@given(problems())
def test_selection_is_k_rows_and_its_certificate_never_understates_the_gap(
    problem: tuple[torch.Tensor, torch.Tensor, int, float],
) -> None:
    candidates, targets, k, lam = problem
    found = select(candidates, targets, k, SelectionSpec.model_validate({"lambda": lam}), seed=0)
    assert len(set(found.indices.tolist())) == k
    assert found.weights.sum() == pytest.approx(1.0)
    cost = 1.0 - (candidates.double() @ targets.double().T).numpy()
    usable = cost[first_rows(candidates)] if found.diagnostics["equal_features_collapsed"] else cost
    n, m = usable.shape
    demand = np.append(np.full(m, 1.0 / m), n / k - 1.0)
    supply = np.full(n, 1.0 / k)
    programme = ot.emd2(supply, demand * supply.sum() / demand.sum(), np.hstack([usable, np.zeros((n, 1))]))
    chosen = np.ascontiguousarray(cost[found.indices])
    truth = ot.emd2(np.full(k, 1.0 / k), np.full(m, 1.0 / m), chosen)
    bound, transport = found.diagnostics["transport_lower_bound"], found.diagnostics["transport"]
    assert isinstance(bound, float)
    assert isinstance(transport, float)
    assert bound <= programme + 1e-5
    assert transport >= truth - 1e-5
    assert np.isfinite(found.reasons.score).all()


@pytest.mark.parametrize("lam", [0.0, 0.1])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_bound_of_a_shortlist_is_below_the_dense_programme(geometry: str, lam: float) -> None:
    """Pools above shortlist.DENSE_ENTRIES, which are listed by price."""
    rng = np.random.default_rng(GEOMETRIES.index(geometry))
    candidates, targets, k = matrix(rng, 1_500, 12, geometry), matrix(rng, 20, 12, "free"), 70
    spec = SelectionSpec.model_validate({"lambda": lam})
    found = select(candidates, targets, k, spec, seed=0, compare_with_baselines=False)
    assert len(set(found.indices.tolist())) == k
    cost = 1.0 - (candidates.double() @ targets.double().T).numpy()
    usable = cost[first_rows(candidates)] if found.diagnostics["equal_features_collapsed"] else cost
    demand = np.append(np.full(20, 1.0 / 20), len(usable) / k - 1.0)
    supply = np.full(len(usable), 1.0 / k)
    dense = np.hstack([usable, np.zeros((len(usable), 1))])
    programme = ot.emd2(supply, demand * supply.sum() / demand.sum(), dense, numItermax=10**6)
    truth = ot.emd2(np.full(k, 1.0 / k), np.full(20, 1.0 / 20), np.ascontiguousarray(cost[found.indices]))
    assert float(str(found.diagnostics["transport_lower_bound"])) <= programme + 1e-5
    assert float(str(found.diagnostics["transport"])) >= truth - 1e-5
    assert found.diagnostics["certified"]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 80),
    st.integers(1, 30),
    st.integers(1, 12),
    st.integers(0, 1_000),
    st.sampled_from(GEOMETRIES),
)
@example(17, 5, 2, 1, "free")  # potentials that all grew together, beyond what float32 prices edges with
def test_column_generation_is_the_dense_transport(k: int, m: int, d: int, seed: int, geometry: str) -> None:
    rng = np.random.default_rng(seed)
    rows, targets = matrix(rng, k, d, geometry), matrix(rng, m, d, "free")
    masses = rng.dirichlet(np.ones(m))
    found = exact_transport(rows, targets, masses)
    cost = 1.0 - (rows.double() @ targets.double().T).numpy()
    assert found.exact
    assert found.cost == pytest.approx(
        ot.emd2(np.full(k, 1.0 / k), masses, np.ascontiguousarray(cost)), abs=1e-5
    )
    assert found.plan.sum() == pytest.approx(1.0, abs=1e-9)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30), st.integers(0, 200))
def test_repeats_sum_to_the_budget_and_follow_the_weights(weights: list[float], extra: int) -> None:
    claim = np.array(weights) + 1e-9
    repeats = apportion(claim, len(claim) + extra)
    assert repeats.sum() == len(claim) + extra
    assert repeats.min() >= 1
    order = np.argsort(claim, kind="stable")
    assert (np.diff(repeats[order]) >= -1).all()


@given(
    st.lists(st.integers(0, 3), min_size=4, max_size=40),
    st.lists(st.floats(0.1, 5.0), min_size=4, max_size=4),
)
def test_group_shares_are_what_their_targets_sum_to(groups: list[int], shares: list[float]) -> None:
    label = np.array([0, 1, 2, 3, *groups])
    masses = spread(np.array(shares), label)
    assert masses.sum() == pytest.approx(1.0)
    assert np.bincount(label, masses) == pytest.approx(np.array(shares) / sum(shares))


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"lambda": "often"}, "lambda"),
        ({"method": "best"}, "capacity"),
        ({"colour": 1}, "Extra inputs"),
        ({"group_mode": "quota"}, "quotas"),
        ({"method": "random", "as_released": True}, "as_released is for tsds"),
        ({"method": "random", "lambda": "auto"}, "auto belong to method 'capacity'"),
        ({"method": "exponentiated", "energy": "local"}, "energy 'local'"),
    ],
)
def test_specs_out_of_range_are_refused_with_the_range(settings_: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SelectionSpec.model_validate(settings_)
