"""The decoder's last hidden states, averaged over an example's tokens: what a model makes of a text.

They cost nothing beside a gradient: the passes that it takes run over every token anyway.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor

Weighting = Literal["mean", "position"]


class StateSums:
    """Weighted sums of hidden states by example, added up over passes of parts of the examples.

    ``mean``: every token counts the same. ``position``: the t-th token of n has weight t / (1 + ... + n):
    states which have seen more of the text count more (RDS+, arXiv 2503.01807, written from its description).
    """

    def __init__(self, rows: int, weighting: Weighting) -> None:
        self._weighting = weighting
        self._sums: list[Tensor | None] = [None] * rows
        self._totals = torch.zeros(rows)

    def add(self, rows: Sequence[int], hidden: Tensor, mask: Tensor, before: Tensor) -> None:
        """Add hidden (b, t, size) of the examples ``rows`` at mask (b, t), after before (b,) tokens."""
        places = mask.cumsum(1) + before[:, None]
        weights = mask.float() * (places if self._weighting == "position" else 1.0)
        sums = (hidden.detach().float() * weights[:, :, None]).sum(1)
        for row, found, total in zip(rows, sums, weights.sum(1).tolist(), strict=True):
            earlier = self._sums[row]
            self._sums[row] = found if earlier is None else earlier + found
            self._totals[row] += total

    @contextmanager
    def listening(self, decoder: Any, rows: Sequence[int], mask: Tensor, before: Tensor) -> Iterator[None]:
        """Inside, a pass of ``decoder`` over examples ``rows`` adds its states; mask (b, t), before (b,)."""
        handle = decoder.register_forward_hook(self._listener(rows, mask, before))
        try:
            yield
        finally:
            handle.remove()

    def _listener(self, rows: Sequence[int], mask: Tensor, before: Tensor) -> Callable[..., None]:
        def hook(_module: Any, _args: Any, output: Any) -> None:
            self.add(rows, output.last_hidden_state, mask, before)

        return hook

    def means(self) -> Tensor:
        """(rows, hidden) float32 on the CPU; every row must have been added."""
        sums = torch.stack([found for found in self._sums if found is not None]).cpu()
        return sums / self._totals[:, None]
