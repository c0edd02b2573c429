"""The plan of micro-batches, and the way out of memory that does not suffice."""

import pytest
import torch

from evoselect.errors import InvalidInput
from evoselect.gradients.examples import (
    GRAPH_TOKEN,
    Example,
    example_of,
    halving,
    padded_work,
    plan_batches,
)
from evoselect.gradients.passes import Tail


def test_batches_keep_the_budget_and_every_row_once() -> None:
    drawn = torch.randint(1, 60, (200, 2), generator=torch.Generator().manual_seed(0)).tolist()
    sizes = [(int(prompt), int(graph)) for prompt, graph in drawn]
    batches = plan_batches(sizes, 1024)
    assert sorted(i for batch in batches for i in batch) == list(range(200))
    work = [padded_work([sizes[i] for i in batch]) for batch in batches]
    assert max(work) <= 1024
    needed = sum(prompt + GRAPH_TOKEN * graph for prompt, graph in sizes)
    assert sum(work) < 1.4 * needed


def test_a_row_above_the_budget_goes_alone() -> None:
    assert plan_batches([(5, 1), (10, 1000), (5, 1)], 16) == [[1], [0, 2]]


def test_no_rows_make_no_batch() -> None:
    assert plan_batches([], 10) == []


def test_the_graph_holds_the_token_before_the_answer() -> None:
    example = Example([1, 2, 3, 4, 5], 3)
    assert example.size(cached_prompt=True) == (2, 2)
    assert example.size(cached_prompt=False) == (0, 5)


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

    with pytest.raises(InvalidInput, match=r"single example: lower max_length.*can't allocate"):
        list(halving([3], compute))


def test_other_errors_are_not_tried_again() -> None:
    tried = []

    def compute(part: list[int]) -> None:
        tried.append(part)
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        list(halving([1, 2], compute))
    assert tried == [[1, 2]]


def test_what_stands_between_answers_is_in_the_graph_and_not_learnt() -> None:
    chat = example_of(range(30), [(5, 8), (12, 13), (13, 20)])
    assert (list(chat.ids), chat.start, chat.between) == (list(range(20)), 5, ((8, 12),))
    assert chat.answer_tokens == 11
    assert chat.size(cached_prompt=True) == Example(chat.ids, 5).size(cached_prompt=True) == (4, 15)
    assert chat.size(cached_prompt=False) == (0, 20)
    assert Tail(chat.ids, 15, 0, chat.between).labels() == [5, 6, 7, *range(12, 20)]
