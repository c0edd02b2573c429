"""The curve of the trade-off: every point is a relaxed solution, and the selection's own lies on it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evoselect.select import select
from evoselect.spec.selection import SelectionSpec
from tests.evoselect.instances import instance
from tests.evoselect.test_properties import GEOMETRIES, matrix

ROUNDING = 1e-5  # of float32 products, in cost
DEAREST = 2.0  # of 1 - cosine


def curve(
    candidates: torch.Tensor, targets: torch.Tensor, k: int, given: dict[str, object]
) -> tuple[list[dict[str, float]], dict[str, object]]:
    spec = SelectionSpec.model_validate({**given, "tradeoff": True})
    found = select(candidates, targets, k, spec, seed=0, compare_with_baselines=False).diagnostics
    points = found.pop("tradeoff")
    assert isinstance(points, list)
    return points, found


def holds(points: list[dict[str, float]], found: dict[str, object]) -> None:
    """What must be true of every curve."""
    bound, relaxed = found["transport_lower_bound"], found["transport_relaxed"]
    assert isinstance(bound, float)
    for point in points:
        assert bound - ROUNDING <= point["transport"] <= DEAREST + ROUNDING, point
        assert 0.0 <= point["beyond"] <= 1.0 + ROUNDING, point
        assert 0.0 <= point["redundancy"] < np.inf, point
        assert 0.0 <= point["residual"] < np.inf, point
    own = [point for point in points if point["lambda"] == found["lambda"]]
    assert [point["transport"] for point in own] == [relaxed]
    assert [point["lambda"] for point in points] == sorted({point["lambda"] for point in points})


@st.composite
def copied_pools(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Pools of near-copies, from which a large share is drawn."""
    n, m, d = draw(st.integers(2, 120)), draw(st.integers(1, 20)), draw(st.integers(2, 12))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    candidates = matrix(rng, n, d, draw(st.sampled_from(GEOMETRIES)))
    sources = candidates[rng.integers(0, n, n // 2)]
    noise = torch.from_numpy(rng.normal(size=(n // 2, d))).float()
    copies = torch.nn.functional.normalize(sources + draw(st.sampled_from([1e-3, 0.05])) * noise, dim=1)
    pool = torch.cat([candidates, copies])
    return pool, matrix(rng, m, d, draw(st.sampled_from(GEOMETRIES))), draw(st.integers(1, n))


@settings(max_examples=15, deadline=None)
@given(copied_pools(), st.sampled_from([0.0, 0.5, 3.0, 10.0]), st.sampled_from([None, None, 0.05]))
def test_every_point_lies_between_the_bound_and_the_dearest_pair(
    problem: tuple[torch.Tensor, torch.Tensor, int], lam: float, epsilon: float | None
) -> None:
    holds(*curve(*problem, {"lambda": lam, "epsilon": epsilon}))


@pytest.mark.parametrize("k", [5, 40, 50])
def test_pools_of_near_copies_have_a_curve(k: int) -> None:
    """Where large values of lambda do not settle: the costs move between two steps of the scalings."""
    case = instance(300, 30, 64, seed=0, twins=0.45, modes=3, spread=0.3)
    points, found = curve(case.candidates, case.targets, k, {})
    holds(points, found)
    assert points[0]["transport"] == pytest.approx(found["transport_lower_bound"], abs=ROUNDING)
    assert points[-1]["redundancy"] <= points[0]["redundancy"]


@pytest.mark.parametrize("energy", ["linear", "squared"])
def test_other_energies_have_a_curve_too(energy: str) -> None:
    case = instance(200, 12, 16, seed=4, twins=0.4)
    holds(*curve(case.candidates, case.targets, 40, {"energy": energy, "lambda": 3.0}))
