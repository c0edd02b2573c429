"""The entry: what comes back, what is refused, and the exact limits that concern whole selections."""

import json

import numpy as np
import pytest
import torch

from evoselect.select import Texts, select
from evoselect.spec.selection import METHODS, SelectionSpec
from tests.evoselect.instances import instance

CASE = instance(400, 20, 24, seed=1)


TEXTS = Texts(
    [f"word{row % 7} text {row}" for row in range(400)], [f"word{row % 3} text" for row in range(20)]
)


def spec(**settings: object) -> SelectionSpec:
    return SelectionSpec.model_validate(settings)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_returns_k_distinct_rows_and_their_reasons(method: str) -> None:
    found = select(CASE.candidates, CASE.targets, 50, spec(method=method), seed=7, texts=TEXTS)
    assert len(set(found.indices.tolist())) == 50
    assert found.weights.sum() == pytest.approx(1.0)
    items = found.items()
    assert [item.rank for item in items] == list(range(50))
    assert sum(target.mass for item in items for target in item.targets) == pytest.approx(1.0, abs=0.2)
    assert all(-1.0 <= target.cosine <= 1.0 for item in items for target in item.targets)
    json.dumps(found.diagnostics, allow_nan=False)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_bytes(method: str) -> None:
    first, second = (
        select(CASE.candidates, CASE.targets, 60, spec(method=method), seed=3, texts=TEXTS) for _ in range(2)
    )
    assert first.indices.tobytes() == second.indices.tobytes()
    assert first.reasons.score.tobytes() == second.reasons.score.tobytes()
    assert first.diagnostics == second.diagnostics


@pytest.mark.parametrize("lam", [0.0, 0.05])
def test_permuting_candidates_permutes_the_answer(lam: float) -> None:
    order = torch.from_numpy(np.random.default_rng(0).permutation(400))
    plain = select(CASE.candidates, CASE.targets, 60, spec(**{"lambda": lam}), seed=0)
    moved = select(CASE.candidates[order], CASE.targets, 60, spec(**{"lambda": lam}), seed=0)
    assert set(order.numpy()[moved.indices].tolist()) == set(plain.indices.tolist())


def test_duplicating_a_candidate_never_lowers_the_number_of_distinct_contents() -> None:
    for row in range(0, 40, 4):
        doubled = torch.cat([CASE.candidates, CASE.candidates[row : row + 1]])
        plain = select(CASE.candidates, CASE.targets, 40, spec(), seed=0)
        found = select(doubled, CASE.targets, 40, spec(), seed=0)
        contents = {row if index == 400 else index for index in found.indices.tolist()}
        assert len(contents) >= len(set(plain.indices.tolist()))


def test_transport_is_below_random_and_top_relevance() -> None:
    metrics = select(CASE.candidates, CASE.targets, 40, spec(), seed=0).diagnostics["metrics"]
    assert isinstance(metrics, dict)
    assert metrics["selected"]["transport"] < min(
        metrics["random"]["transport"], metrics["top_relevance"]["transport"]
    )


def test_coverage_is_the_largest_cosine_of_each_target() -> None:
    found = select(CASE.candidates, CASE.targets, 40, spec(), seed=0)
    cosine = (CASE.targets.double() @ CASE.candidates[found.indices].double().T).numpy()
    assert found.coverage == pytest.approx(cosine.max(axis=1), abs=1e-6)
    metrics = found.diagnostics["metrics"]
    assert isinstance(metrics, dict)
    assert metrics["selected"]["coverage"] == pytest.approx(cosine.max(axis=1).mean(), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("n", "m", "k"), [(1, 1, 1), (5, 1, 5), (5, 1, 2), (1, 7, 1), (6, 9, 6), (40, 3, 40)]
)
def test_smallest_shapes(method: str, n: int, m: int, k: int) -> None:
    case = instance(n, m, 6, seed=n + m, twins=0.0)
    texts = Texts(["a"] * n, ["a"] * m)
    found = select(case.candidates, case.targets, k, spec(method=method), seed=0, texts=texts)
    assert len(set(found.indices.tolist())) == k


@pytest.mark.parametrize("method", METHODS)
def test_degenerate_geometry(method: str) -> None:
    equal = torch.nn.functional.normalize(torch.ones(30, 8), dim=1)
    orthogonal = torch.eye(8)
    for candidates, targets in [(equal, equal[:4]), (orthogonal[:5], orthogonal[5:]), (equal, -equal[:2])]:
        texts = Texts(["a"] * len(candidates), ["a"] * len(targets))
        found = select(candidates, targets, 4, spec(method=method), seed=0, texts=texts)
        assert len(set(found.indices.tolist())) == 4
