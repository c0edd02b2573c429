"""Sketch matrices: unbiased inner products, determinism, independence."""

import math

import pytest
import torch

from evoselect.gradients.projection import Kind, gradient_sketch, sketch_matrix

KINDS: list[Kind] = ["gaussian", "sparse"]


@pytest.mark.parametrize("kind", KINDS)
def test_inner_products_are_kept_on_average(kind: Kind) -> None:
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(2, 64, generator=generator)
    right = right + left  # so that the inner product is far from zero
    estimates = torch.stack(
        [
            (left @ sketch) @ (right @ sketch)
            for seed in range(400)
            for sketch in [sketch_matrix(64, 8, kind=kind, seed=seed, name="w/in")]
        ]
    )
    error = float(estimates.std()) / math.sqrt(len(estimates))
    assert abs(float(estimates.mean()) - float(left @ right)) < 4 * error


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_alone_decide_and_each_of_them_does(kind: Kind) -> None:
    torch.manual_seed(1)
    first = sketch_matrix(12, 4, kind=kind, seed=0, name="a")
    torch.manual_seed(2)
    assert torch.equal(first, sketch_matrix(12, 4, kind=kind, seed=0, name="a"))
    for other in (
        sketch_matrix(12, 4, kind=kind, seed=1, name="a"),
        sketch_matrix(12, 4, kind=kind, seed=0, name="b"),
        sketch_matrix(13, 4, kind=kind, seed=0, name="a")[:12],
        sketch_matrix(12, 5, kind=kind, seed=0, name="a")[:, :4],
    ):
        assert not torch.equal(first, other)


def test_global_random_state_is_left_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    sketch_matrix(5, 5, kind="sparse", seed=0, name="a")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("columns", "entries"), [(1, 1), (4, 2), (9, 3), (10, 4), (64, 8)])
def test_sparse_rows_have_few_entries_of_equal_size(columns: int, entries: int) -> None:
    sketch = sketch_matrix(50, columns, kind="sparse", seed=0, name="a")
    assert ((sketch != 0).sum(1) == entries).all()
    torch.testing.assert_close(sketch.square().sum(1), torch.ones(50))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dim", "found"), [(10, 10), (24, 24), (100, 24)])
def test_sides_and_whole_gradients_have_the_same_sketch(kind: Kind, dim: int, found: int) -> None:
    sketch = gradient_sketch(9, 7, sides=(6, 4), dim=dim, kind=kind, seed=0, name="w")
    assert sketch.dim == found
    inputs, outputs = torch.randn(3, 5, 9), torch.randn(3, 5, 7)
    of_sides = sketch.of_sides(inputs @ sketch.left, outputs @ sketch.right)
    whole = sketch.of_gradient(torch.einsum("bti,bto->bio", inputs, outputs))
    assert of_sides.shape == (3, found)
    torch.testing.assert_close(of_sides, whole, rtol=1e-4, atol=1e-4)


def test_larger_sides_make_less_noise_at_the_same_number() -> None:
    """Two gradients of rank one with the same input: what a narrow side does worst."""
    generator = torch.Generator().manual_seed(0)
    shared, one, two = (
        torch.nn.functional.normalize(torch.randn(64, generator=generator), dim=0) for _ in "abc"
    )
    gradients = torch.stack([torch.outer(shared, one), torch.outer(shared, two)])
    true = float(one @ two)
    errors = []
    for sides in ((6, 6), (32, 32)):
        rows = [
            gradient_sketch(64, 64, sides=sides, dim=36, kind="gaussian", seed=seed, name="w").of_gradient(
                gradients
            )
            for seed in range(300)
        ]
        errors.append(float(torch.tensor([float(a @ b) - true for a, b in rows]).square().mean()))
    assert errors[1] < 0.6 * errors[0]
