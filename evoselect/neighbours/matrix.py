"""Rows as searches read them: block by block, from a tensor or from some rows of one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.features import Matrix

STRIDE = 64  # rows: no product of a whole number of these treats its last rows in another way
TILE = 16 * STRIDE  # rows of one product; the last is padded, so a row's bits depend on that row alone


@dataclass(frozen=True)
class Some:
    """Some rows of a matrix, which is not copied."""

    whole: Matrix  # (n, d)
    kept: Ints  # (r,) rows, ascending

    @property
    def shape(self) -> torch.Size:
        """(r, d)."""
        return torch.Size((len(self.kept), self.whole.shape[1]))

    @property
    def device(self) -> torch.device:
        """Of the whole."""
        return self.whole.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the whole."""
        return self.whole.dtype

    def __getitem__(self, index: Any, /) -> Tensor:
        """A slice or an index (i,) of the kept rows -> (i, d)."""
        at = index if isinstance(index, slice) else index.cpu().numpy()
        return self.whole[torch.from_numpy(self.kept[at]).to(self.whole.device)]


def tiles(rows: Matrix, right: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Slices of rows (n, d) and their float32 products with right (d, c).

    Every product is one of TILE rows, so a row gives the same bits wherever a pool is cut.
    """
    factor = right.to(rows.device).float()
    for start in range(0, rows.shape[0], TILE):
        block = rows[start : start + TILE].float()
        count = len(block)
        if count < TILE:
            block = torch.cat([block, block.new_zeros(TILE - count, block.shape[1])])
        yield slice(start, start + count), (block @ factor)[:count]


def scores(rows: Matrix, direction: Tensor) -> Floats:
    """(n,) inner products of rows (n, d) with a direction (d,)."""
    parts = [product[:, 0] for _, product in tiles(rows, direction[:, None])]
    return np.asarray(torch.cat(parts).double().cpu().numpy())


def cheapest(rows: Matrix, targets: Tensor, g: Floats) -> Floats:
    """(n,) min_j (1 - x_i.y_j - g_j) over targets (M, d) with prices g (M,); rows (n, d) are unit rows."""
    price = torch.from_numpy(g - 1.0).float().to(rows.device)
    parts = [(product + price).amax(dim=1) for _, product in tiles(rows, targets.T)]
    return np.asarray(-torch.cat(parts).double().cpu().numpy())
