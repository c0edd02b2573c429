"""The bound on a process's memory: beyond it an allocation fails, and nothing is left of it afterwards."""

import gc
import resource

import pytest
import torch

from evoselect.errors import InvalidInput
from evoselect.gradients.examples import halving
from workers.process import memory

MARGIN = 2**27  # bytes that the interpreter and its threads may take meanwhile


@pytest.fixture(autouse=True)
def _nothing_to_free() -> None:
    """What earlier tests left would be freed within the bound, and make room."""
    gc.collect()


def test_inside_the_bound_more_than_is_free_cannot_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "FLOOR", 0)
    size = int(0.95 * memory.available())  # promised without a bound, and never touched
    torch.empty(size, dtype=torch.uint8)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with memory.bounded():
        assert memory.available() < size
        with pytest.raises(RuntimeError) as caught:
            torch.empty(size, dtype=torch.uint8)
        assert memory.exhausted(caught.value)
        with pytest.raises(MemoryError) as short:
            bytearray(size)
        assert memory.exhausted(short.value)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert not memory.exhausted(RuntimeError("shapes differ"))


@pytest.mark.parametrize(("whole", "raised"), [(2**60, memory.Crowded), (0, InvalidInput)])
def test_a_row_that_does_not_fit_may_fit_later_where_others_have_the_memory(
    monkeypatch: pytest.MonkeyPatch, whole: int, raised: type[Exception]
) -> None:
    monkeypatch.setattr(memory, "total", lambda: whole)

    def compute(part: list[int]) -> int:
        return torch.empty(memory.available() + 2**30, dtype=torch.uint8).numel()

    with pytest.raises(raised), memory.bounded():
        list(halving([0], compute))


def test_a_batch_that_the_bound_refuses_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that promises everything would have killed the process instead."""
    monkeypatch.setattr(memory, "SHARE", 0.0)
    monkeypatch.setattr(memory, "FLOOR", 2**28)

    def compute(part: list[int]) -> int:
        return torch.empty(len(part) * 2**27 - MARGIN // 2, dtype=torch.uint8).numel()

    with memory.bounded():
        assert [part for part, _ in halving([0, 1, 2, 3], compute)] == [[0, 1], [2, 3]]
