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

    @property
    def answer_length(self) -> int:
        """Answer tokens."""
        return len(self.ids) - self.start


def plan_batches(examples: Sequence[Example], budget: int) -> list[list[int]]:
    """Indices cut into batches of similar length, at most ``budget`` tokens each with padding.

    Longest first, so that the batch that needs most memory comes first. A single example may exceed the
    budget. The plan depends on lengths and order alone.
    """
    order = sorted(range(len(examples)), key=lambda i: (-len(examples[i].ids), -examples[i].answer_length, i))
    batches: list[list[int]] = []
    for index in order:
        widest = len(examples[batches[-1][0]].ids) if batches else 0
        if batches and widest * (len(batches[-1]) + 1) <= budget:
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
