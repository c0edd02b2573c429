"""Tokenised examples, and the micro-batches that they are cut into."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from evoselect.errors import InvalidInput

Result = TypeVar("Result")
CPU_OUT_OF_MEMORY = "can't allocate memory"  # of PyTorch's CPU allocator, which raises a plain RuntimeError


Size = tuple[int, int]  # of a row: tokens that run without a graph, and with one
Span = tuple[int, int]  # of tokens: the first, and the one behind the last
GRAPH_TOKEN = 3  # a token in the graph runs forward, backward, and keeps its activations
PADDING_SHARE = 0.05  # of the budget; a smaller batch then costs less than more padding


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of a text that is learnt from ``start`` on, with 1 <= start < len(ids).

    Between its answers a text may have tokens that are read but not learnt, such as a user's turn: the spans
    ``between``, ascending, apart from each other, each after ``start`` and before the last token.
    """

    ids: Sequence[int]
    start: int
    between: tuple[Span, ...] = ()

    @property
    def answer_tokens(self) -> int:
        """How many tokens are learnt."""
        return len(self.ids) - self.start - sum(stop - first for first, stop in self.between)

    def size(self, *, cached_prompt: bool) -> Size:
        """Tokens before the graph and in it; the token before the first answer predicts it, so it is in.

        What stands between answers is in the graph: the loss of a later answer reaches earlier ones by it.
        """
        graph = len(self.ids) - self.start
        return (self.start - 1, graph) if cached_prompt else (0, len(self.ids))


def example_of(ids: Sequence[int], learnt: Sequence[Span]) -> Example:
    """The example that learns these spans, ascending and not empty; what follows the last one is cut off.

    Nothing of it reaches a causal model's loss.
    """
    ends = zip([stop for _, stop in learnt[:-1]], [first for first, _ in learnt[1:]], strict=True)
    return Example(ids[: learnt[-1][1]], learnt[0][0], tuple(gap for gap in ends if gap[0] < gap[1]))


def plan_batches(sizes: Sequence[Size], budget: int) -> list[list[int]]:
    """Indices cut into batches of at most ``budget`` by ``padded_work``, little of it padding.

    Sorted by the tokens in the graph, which are padded to the longest of the batch; prompts run in groups of
    their own, so their lengths may differ. A single row may exceed the budget. The plan depends on the sizes
    and their order alone.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(sizes)), key=lambda i: (-sizes[i][1], -sizes[i][0], i)):
        if batches and _fits([sizes[i] for i in [*batches[-1], index]], budget):
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def padded_work(sizes: Sequence[Size]) -> int:
    """Cost of a batch in units of a token that runs without a graph, padding of the graph included."""
    longest = max(graph for _, graph in sizes)
    return sum(prompt for prompt, _ in sizes) + GRAPH_TOKEN * len(sizes) * longest


def _fits(sizes: Sequence[Size], budget: int) -> bool:
    needed = sum(prompt + GRAPH_TOKEN * graph for prompt, graph in sizes)
    work = padded_work(sizes)
    return work <= budget and work - needed <= PADDING_SHARE * budget


def halving(
    batch: list[int],
    compute: Callable[[list[int]], Result],
    name: Callable[[int], str] = lambda index: "a single example",
) -> Iterator[tuple[list[int], Result]]:
    """``compute`` on the batch; where memory does not suffice, on its halves, down to one example.

    Yields each part with its result, in order. Raises InvalidInput when memory does not suffice for one, by
    its ``name``.
    """
    waiting = [batch]
    while waiting:
        part = waiting.pop()
        try:
            result = compute(part)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            if len(part) == 1:
                raise InvalidInput(
                    f"memory does not suffice for {name(part[0])}: lower max_length, choose fewer layers, or "
                    f"use a machine with more ({error})"
                ) from error
        else:
            yield part, result
            continue
        if torch.cuda.is_available():  # outside the handler: there the traceback keeps the tensors alive
            torch.cuda.empty_cache()
        waiting += [part[(len(part) + 1) // 2 :], part[: (len(part) + 1) // 2]]


def out_of_memory(error: RuntimeError) -> bool:
    """Whether torch says so; on the CPU it has no type for it."""
    return isinstance(error, torch.OutOfMemoryError) or CPU_OUT_OF_MEMORY in str(error)
