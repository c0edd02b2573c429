"""A pool read like a matrix, for what gathers some rows of it (ours)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evoselect.pools.pool import Pool


@dataclass(frozen=True)
class View:
    """(N, d) rows of a pool in any number of parts; a read is a float32 copy."""

    pool: Pool

    @property
    def shape(self) -> torch.Size:
        """(N, d)."""
        return torch.Size(self.pool.shape)

    @property
    def device(self) -> torch.device:
        """Of the pool."""
        return self.pool.device

    @property
    def dtype(self) -> torch.dtype:
        """Of what is read."""
        return torch.float32

    def __getitem__(self, index: Any, /) -> Tensor:
        """A slice or an index (i,) of rows -> (i, d)."""
        rows = np.arange(self.shape[0])[index] if isinstance(index, slice) else index.cpu().numpy()
        return self.pool.gather(rows)
