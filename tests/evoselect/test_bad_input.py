"""Unusable input gets an error that names the value and the next step; degenerate input the right answer."""

import numpy as np
import ot
import pytest
import torch
from pydantic import ValidationError

from evoselect.errors import InvalidInput
from evoselect.select import Texts, select
from evoselect.selection import Selection
from evoselect.spec.selection import SelectionSpec
from evoselect.transport import exact_transport
from tests.evoselect.instances import instance

CASE = instance(400, 20, 24, seed=1)
X, Y = CASE.candidates, CASE.targets


def spec(**settings: object) -> SelectionSpec:
    return SelectionSpec.model_validate(settings)


def with_row(matrix: torch.Tensor, row: int, value: float) -> torch.Tensor:
    changed = matrix.clone()
    changed[row] = value
    return changed


def named(case: str, *values: object) -> object:
    return pytest.param(*values, id=case)


@pytest.mark.parametrize(
    ("candidates", "targets", "k", "message"),
    [
        named("nan", with_row(X, 3, float("nan")), Y, 5, "candidates row 3 has norm nan; .* normalise them"),
        named("inf", with_row(X, 4, float("inf")), Y, 5, "candidates row 4 has norm inf; .* drop or"),
        named("zero row", with_row(X, 5, 0.0), Y, 5, "candidates row 5 has norm 0; .* drop or normalise"),
        named("long row", X * 1.02, Y, 5, "candidates row 0 has norm 1.02; .*400 bad rows"),
        named("nan target", X, with_row(Y, 2, float("nan")), 5, "targets row 2 has norm nan"),
        named("zero target", X, with_row(Y, 2, 0.0), 5, "targets row 2 has norm 0"),
        named("d mismatch", X, Y[:, :7], 5, "24 features and targets 7; compute both with one"),
        named("no target", X, Y[:0], 5, r"targets must be .* shape is \(0, 24\): give one row per"),
        named("no candidate", X[:0], Y, 1, r"candidates must be .* shape is \(0, 24\): give one"),
        named("no column", X[:, :0], Y, 1, r"candidates must be .* shape is \(400, 0\)"),
        named("one axis", X[0], Y, 1, r"candidates must be .* shape is \(24,\)"),
        named("integers", X.long(), Y, 5, r"dtype is torch.int64: convert it with .float\(\)"),
        named("doubles", X.double(), Y, 5, r"dtype is torch.float64: convert it with .float\(\)"),
        named("k = 0", X, Y, 0, r"k = 0 is outside 1\.\.400, .*: change k or add"),
        named("k < 0", X, Y, -3, r"k = -3 is outside 1\.\.400"),
        named("k > N", X, Y, 401, r"k = 401 is outside 1\.\.400"),
        named("1e6 targets", X, torch.ones(10**6, 24), 5, "1000000 rows, more than 20000: .* sample them"),
    ],
)
def test_unusable_matrices_and_budgets_are_refused(
    candidates: torch.Tensor, targets: torch.Tensor, k: int, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        select(candidates, targets, k, spec(), seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        named("text", {"texts": Texts(["a"] * 399, ["a"] * 20)}, "texts.candidates has 399 entries"),
        named("groups", {"groups": ["a"] * 21}, "groups has 21 entries for 20 rows; give one per row"),
        named("texts", {"texts": Texts(["a"] * 400, ["a"])}, "texts.targets has 1 entries for 20 rows"),
    ],
)
def test_arguments_that_do_not_fit_the_rows_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        select(X, Y, 5, spec(method="less"), seed=0, **arguments)  # type: ignore[arg-type]  # one of several


@pytest.mark.parametrize(
    ("masses", "message"),
    [
        named("sum 2", np.full(20, 0.1), r"sum 2 for 20 targets: .* divided by their sum"),
        named("sum 0", np.zeros(20), "sum 0 for 20 targets"),
        named("negative", np.array([-0.05, 0.15] + [0.05] * 18), "least value -0.05"),
        named("nan", np.full(20, np.nan), "least value nan and sum nan"),
        named("too few", np.full(19, 1 / 19), r"shape \(19,\), .* for 20 targets: give one number"),
    ],
)
def test_masses_that_are_no_distribution_are_refused(masses: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        exact_transport(X[:10], Y, masses)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        named("lambda < 0", {"lambda": -0.1}, "at least 0 and at most 100 .*input_value=-0.1"),
        named("lambda too large", {"lambda": 101}, "at most 100 .*input_value=101"),
        named("lambda nan", {"lambda": float("nan")}, "finite"),
        named("epsilon 0", {"epsilon": 0}, "at least 0.0001 and at most 10 .*input_value=0"),
        named("epsilon inf", {"epsilon": float("inf")}, "finite"),
        named("quota 0", {"group_mode": "quota", "quotas": {"a": 0.0}}, "above 0.*input_value=0.0"),
        named("quota nan", {"group_mode": "quota", "quotas": {"a": float("nan")}}, "finite"),
    ],
)
def test_settings_out_of_range_are_refused_with_value_and_range(settings: object, message: str) -> None:
    with pytest.raises(ValidationError, match=f"(?s){message}"):
        SelectionSpec.model_validate(settings)


def chosen(candidates: torch.Tensor, targets: torch.Tensor, k: int, lam: float = 0.0) -> Selection:
    return select(candidates, targets, k, spec(**{"lambda": lam}), seed=0)


def transport(candidates: torch.Tensor, targets: torch.Tensor) -> float:
    cost = 1.0 - (candidates.double() @ targets.double().T).numpy()
    return float(ot.emd2([], [], np.ascontiguousarray(cost)))


def test_one_target_takes_its_k_nearest() -> None:
    nearest = torch.topk(X @ Y[0], 7).indices
    assert chosen(X, Y[:1], 7).indices.tolist() == nearest.tolist()


def test_one_candidate_is_the_answer() -> None:
    found = chosen(X[:1], Y, 1, lam=0.1)
    assert found.indices.tolist() == [0]
    assert found.weights.tolist() == [1.0]
    assert found.diagnostics["transport"] == pytest.approx(float(1.0 - (Y @ X[0]).mean()), abs=1e-6)


def test_k_equal_to_the_pool_is_the_pool() -> None:
    found = chosen(X, Y, 400, lam=0.1)
    assert sorted(found.indices.tolist()) == list(range(400))
    assert found.diagnostics["transport"] == pytest.approx(transport(X, Y), abs=1e-6)


def test_equal_rows_fill_the_budget_and_say_how_redundant_they_are() -> None:
    equal = X[:1].expand(30, -1).contiguous()
    found = chosen(equal, equal[:4], 6, lam=0.1)
    assert len(set(found.indices.tolist())) == 6
    assert found.diagnostics["transport"] == pytest.approx(0.0, abs=1e-6)
    assert found.reasons.redundancy.tolist() == pytest.approx([5.0] * 6)


@pytest.mark.parametrize("lam", [0.0, 0.1])
def test_orthogonal_rows_serve_the_targets_that_they_equal(lam: float) -> None:
    axes = torch.eye(24)
    found = chosen(axes, axes[:5], 5, lam)
    assert sorted(found.indices.tolist()) == [0, 1, 2, 3, 4]
    assert found.diagnostics["transport"] == pytest.approx(0.0, abs=1e-6)
    far = chosen(axes[:12], axes[12:], 5, lam)
    assert far.diagnostics["transport"] == pytest.approx(1.0, abs=1e-6)
    assert not far.reasons.redundancy.any()


def test_copies_are_taken_once_each_before_any_is_taken_twice() -> None:
    pool = X[:10].repeat(6, 1)
    once = chosen(pool, Y, 10, lam=0.1)
    assert sorted(row % 10 for row in once.indices.tolist()) == list(range(10))
    assert once.diagnostics["equal_features_collapsed"] == 50


def test_a_pool_of_copies_is_solved_exactly_where_copies_must_fill_the_budget() -> None:
    pool, n, k = X[:10].repeat(6, 1), 60, 20
    found = chosen(pool, Y, k)
    assert len(set(found.indices.tolist())) == k
    cost = 1.0 - (pool.double() @ Y.double().T).numpy()
    demand = np.append(np.full(20, k / 20 / n), 1.0 - k / n)
    programme = ot.emd2(np.full(n, 1 / n), demand, np.hstack([cost, np.zeros((n, 1))])) * n / k
    assert found.diagnostics["transport"] == pytest.approx(programme, abs=1e-6)
