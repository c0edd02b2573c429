"""Conditioning: what each step promises, and whitening against its definition."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from evoselect.errors import InvalidInput
from evoselect.representations.conditioning import FORM_ROWS, Kind, block_norms, fit, fit_to
from evoselect.representations.shards import condition
from evoselect.representations.sums import Adding, flatten, sample_step, sums_of
from evoselect.spec.features import FeatureSpec


def features(rows: int, blocks: int = 3, dim: int = 4, seed: int = 0) -> Tensor:
    """Blocks of very different size, and a mean that is far from zero."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(rows, blocks, dim, generator=generator) + 0.8
    return values * torch.tensor([100.0, 1.0, 0.01])[:blocks, None]


def test_every_block_weighs_the_same_whatever_its_size() -> None:
    norms = flatten(features(20)).reshape(20, 3, 4).norm(dim=2)
    torch.testing.assert_close(norms, torch.ones(20, 3))
    rescaled = features(20) * torch.tensor([1e-3, 5.0, 1e4])[:, None]
    torch.testing.assert_close(flatten(rescaled), flatten(features(20)))


@pytest.mark.parametrize("kind", ["none", "centred", "whitened"])
def test_rows_have_norm_one(kind: str) -> None:
    pool, target = condition(
        features(30), features(5, seed=1), FeatureSpec.model_validate({"conditioning": kind})
    )
    torch.testing.assert_close(pool.norm(dim=1), torch.ones(30))
    torch.testing.assert_close(target.norm(dim=1), torch.ones(5))
    assert pool.dtype == torch.float32


def test_centring_takes_away_the_mean_of_the_pool_from_both() -> None:
    pool, target = features(50), features(4, seed=1)
    rows = flatten(target) - flatten(pool).mean(0)
    expected = rows / rows.norm(dim=1, keepdim=True)
    torch.testing.assert_close(fit(pool, "centred").apply(target), expected)


def test_the_target_never_changes_what_is_fitted() -> None:
    pool = features(40)
    spec = FeatureSpec(conditioning="whitened")
    first, _ = condition(pool, features(4, seed=1), spec)
    second, _ = condition(pool, features(9, seed=2), spec)
    assert torch.equal(first, second)


@pytest.mark.parametrize("rows", [8, 40])  # fewer than the 12 dimensions, and more
def test_whitening_equals_its_definition(rows: int) -> None:
    pool, target, shrinkage = features(rows), features(4, seed=1), 0.7
    centred = (flatten(pool) - flatten(pool).mean(0)).double().numpy()
    squares, vectors = np.linalg.eigh(centred.T @ centred)
    squares = np.maximum(squares, 0)
    used = min(rows, 12) if rows > 12 else rows - 1  # centring takes one direction of the rows' span
    noise = shrinkage * squares.sum() / used
    scaled = (flatten(target).double().numpy() - flatten(pool).double().mean(0).numpy()) @ vectors
    scaled = scaled / np.sqrt(squares + noise) @ vectors.T
    expected = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    found = fit(pool, "whitened", shrinkage=shrinkage).apply(target).double().numpy()
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_strong_shrinkage_is_centring() -> None:
    pool, target = features(40), features(4, seed=1)
    whitened = fit(pool, "whitened", shrinkage=1e6).apply(target)
    torch.testing.assert_close(whitened, fit(pool, "centred").apply(target), atol=1e-4, rtol=1e-3)


def in_forms(rows: int, forms: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features to each of which its form adds something, and the forms."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.arange(rows) % forms
    added = 3 * torch.randn(forms, 3, 4, generator=torch.Generator().manual_seed(99))
    return torch.randn(rows, 3, 4, generator=generator) + added[numbers], numbers


def test_without_form_equals_its_definition() -> None:
    pool, forms = in_forms(60, 4)
    target, _ = in_forms(8, 2, seed=1)
    rows, of_form = flatten(pool).double().numpy(), forms.numpy()
    means = np.stack([rows[of_form == form].mean(0) for form in range(4)])
    basis, _ = np.linalg.qr((means[1:] - means[0]).T)  # (12, 3)
    centred = flatten(target).double().numpy() - rows.mean(0)
    expected = centred @ (np.eye(12) - basis @ basis.T)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = fit(pool, "centred", forms=forms).apply(target)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["none", "centred", "whitened"])
def test_without_form_the_forms_of_the_pool_have_one_mean(kind: str) -> None:
    pool, forms = in_forms(300, 3)
    target, _ = in_forms(9, 3, seed=1)
    spec = FeatureSpec.model_validate({"conditioning": kind})
    apart = {}
    for name, given in (("both", None), ("content", forms)):
        rows, goals = condition(pool, target, spec, forms=given)
        assert torch.allclose(goals.norm(dim=1), torch.ones(9))
        means = torch.stack([rows[forms == form].mean(0) for form in range(3)])
        apart[name] = float((means - means.mean(0)).norm())
    assert apart["content"] < 0.1 * apart["both"]


def test_forms_too_rare_to_be_known_and_a_single_one_change_nothing() -> None:
    pool, _ = in_forms(40, 2)
    expected = fit(pool, "centred").apply(pool)
    rare = (torch.arange(40) < FORM_ROWS - 1).long()
    for forms in (torch.zeros(40, dtype=torch.long), rare):
        torch.testing.assert_close(fit(pool, "centred", forms=forms).apply(pool), expected)
    enough = (torch.arange(40) < FORM_ROWS).long()
    assert not torch.allclose(fit(pool, "centred", forms=enough).apply(pool), expected, atol=1e-3)


def test_checkpoints_cosines_add_up_by_weight() -> None:
    pool, target = features(20, blocks=2), features(3, blocks=2, seed=1)
    checkpoints = ({"model": "a", "weight": 3.0}, {"model": "b", "weight": 1.0})
    spec = FeatureSpec.model_validate({"conditioning": "none", "checkpoints": checkpoints})
    rows, goals = condition(pool, target, spec)
    one, two = ((flatten(pool[:, [i]]) @ flatten(target[:, [i]]).T) for i in (0, 1))
    torch.testing.assert_close(rows @ goals.T, 0.75 * one + 0.25 * two)
    with pytest.raises(InvalidInput, match="3 blocks are not 2 equal shares"):
        condition(features(20), target, spec)


def test_a_zero_block_stays_zero() -> None:
    values = features(3)
    values[1, 2] = 0.0
    rows = flatten(values).reshape(3, 3, 4)
    assert not rows[1, 2].any()
    assert torch.isfinite(rows).all()


def test_misuse_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least 2 rows, got 1"):
        fit(features(1), "centred")
    with pytest.raises(InvalidInput, match=r"their shape is \(3, 4\)"):
        flatten(torch.ones(3, 4))
    with pytest.raises(InvalidInput, match="finite"):
        fit(features(3) * torch.nan, "centred")
    with pytest.raises(InvalidInput, match="nothing is left to whiten"):
        fit(features(1).repeat(5, 1, 1), "whitened")


@pytest.mark.parametrize("rows", [2, 7, 1000])
@pytest.mark.parametrize("conditioning", ["centred", "whitened"])
def test_equal_rows_are_named_as_equal(rows: int, conditioning: str) -> None:
    """Centring leaves nothing but rounding of them, which is no direction."""
    one = torch.randn(1, 3, 5, generator=torch.Generator().manual_seed(rows))
    spec = FeatureSpec.model_validate({"conditioning": conditioning})
    with pytest.raises(InvalidInput, match=r"pool's mean|are equal"):
        condition(one.expand(rows, -1, -1).clone(), torch.randn(2, 3, 5), spec)
    kept, _ = condition(
        one.expand(rows, -1, -1).clone(), one, spec.model_copy(update={"conditioning": "none"})
    )
    assert torch.allclose(kept.norm(dim=1), torch.ones(rows))


@pytest.mark.parametrize("kind", ["none", "centred", "whitened"])
@pytest.mark.parametrize("cut", [[], [900], [1, 2, 250, 251, 1_000, 1_300]], ids=["one", "two", "seven"])
def test_shards_are_conditioned_as_the_whole_to_the_last_bit(kind: Kind, cut: list[int]) -> None:
    pool = features(1_501, blocks=3, dim=7)
    of_row = torch.arange(1_501) % 4
    whole = fit(pool, kind, weights=(1.0, 2.0, 0.5), forms=of_row)
    norms, step = block_norms(pool, (1.0, 2.0, 0.5)), sample_step(1_501)
    bounds = list(itertools.pairwise([0, *cut, 1_501]))
    sums = Adding()
    for a, b in bounds:
        sums.add(sums_of(pool[a:b], norms, of_row[a:b], count=4, step=step, first=a))
    found = fit_to(sums.sums, norms, kind)
    assert found.mean.numpy().tobytes() == whole.mean.numpy().tobytes()
    rows = torch.cat([found.apply(pool[a:b]) for a, b in bounds])
    assert rows.numpy().tobytes() == whole.apply(pool).numpy().tobytes()


def test_a_mean_of_whole_units_is_the_mean() -> None:
    pool = features(5_000, blocks=2, dim=30)
    exact = flatten(pool).double().mean(dim=0)
    assert float((sums_of(pool, block_norms(pool, (1.0,))).mean - exact).abs().max()) < 2.0**-31
