"""Tokenised examples, and the micro-batches that they are cut into."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

Result = TypeVar("Result")
CPU_OUT_OF_MEMORY = "can't allocate memory"  # of PyTorch's CPU allocator, which raises a plain RuntimeError


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of prompt and answer; the answer is ``ids[start:]``, with 1 <= start < len(ids)."""

    ids: Sequence[int]
    start: int


def plan_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices cut into batches of similar length, at most ``budget`` tokens each with padding.

    Longest first, so that the batch that needs most memory comes first. A single example may exceed the
    budget. The plan depends on the lengths and their order alone.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def halving(batch: list[int], compute: Callable[[list[int]], Result]) -> Iterator[tuple[list[int], Result]]:
    """``compute`` on the batch; where memory does not suffice, on its halves, down to one example.

    Yields each part with its result, in order; out of memory with a single example is raised.
    """
    waiting = [batch]
    while waiting:
        part = waiting.pop()
        try:
            result = compute(part)
        except RuntimeError as error:
            if len(part) == 1 or not _out_of_memory(error):
                raise
        else:
            yield part, result
            continue
        if torch.cuda.is_available():  # outside the handler: there the traceback keeps the tensors alive
            torch.cuda.empty_cache()
        waiting += [part[(len(part) + 1) // 2 :], part[: (len(part) + 1) // 2]]


def _out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or CPU_OUT_OF_MEMORY in str(error)
