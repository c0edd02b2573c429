"""The plan of micro-batches, and the way out of memory that does not suffice."""

import pytest
import torch

from evoselect.gradients.examples import halving, plan_batches


def test_batches_keep_the_budget_and_every_row_once() -> None:
    lengths = [int(n) for n in torch.randint(1, 60, (200,), generator=torch.Generator().manual_seed(0))]
    batches = plan_batches(lengths, 128)
    assert sorted(i for batch in batches for i in batch) == list(range(200))
    assert all(len(batch) * max(lengths[i] for i in batch) <= 128 for batch in batches)
    assert max(lengths) in [lengths[i] for i in batches[0]]


def test_an_example_above_the_budget_goes_alone() -> None:
    assert plan_batches([5, 1000, 5], 10) == [[1], [0, 2]]


def test_no_examples_make_no_batch() -> None:
    assert plan_batches([], 10) == []


def test_halves_until_memory_suffices_and_keeps_the_order() -> None:
    tried = []

    def compute(part: list[int]) -> int:
        tried.append(len(part))
        if len(part) > 2:
            raise torch.OutOfMemoryError("too much")
        return sum(part)

    assert list(halving(list(range(7)), compute)) == [([0, 1], 1), ([2, 3], 5), ([4, 5], 9), ([6], 6)]
    assert tried == [7, 4, 2, 2, 3, 2, 1]


def test_memory_that_does_not_suffice_for_one_example_is_raised() -> None:
    def compute(part: list[int]) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")

    with pytest.raises(RuntimeError, match="can't allocate"):
        list(halving([3], compute))


def test_other_errors_are_not_tried_again() -> None:
    tried = []

    def compute(part: list[int]) -> None:
        tried.append(part)
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        list(halving([1, 2], compute))
    assert tried == [[1, 2]]
