"""The rows of a shard that is asked again, conditioned once more."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evoselect.representations.shards import Fitted, Shard
from workers.features.conditioned_rows import on_disk
from workers.features.file_rows import FileRows
from workers.features.known import of_rows, together


class Recalled:
    """(n, width) float16 rows, read like a tensor: those that are asked for alone, or all by a file.

    A range of rows is read by searches, which read all of them, and more than once.
    """

    def __init__(self, fitted: Fitted, shards: Sequence[Shard], scratch: Path) -> None:
        self._fitted, self._shards, self._scratch = fitted, shards, scratch
        self.shape = torch.Size((sum(shard.rows for shard in shards), fitted.width))
        self.device, self.dtype = torch.device("cpu"), torch.float16

    @cached_property
    def _file(self) -> FileRows:
        return on_disk(self._fitted, self._shards, self._scratch)[0]

    def __getitem__(self, index: Any, /) -> Tensor:
        """A slice or an index (i,) of rows -> (i, width)."""
        if isinstance(index, slice) or "_file" in vars(self):
            return self._file[index]
        rows, place = np.unique(np.asarray(index, dtype=np.int64), return_inverse=True)
        read = torch.empty(len(rows), self.shape[1], dtype=self.dtype)
        if len(rows):
            self._fitted.apply(together(of_rows(self._shards, rows)), read)
        return read[torch.from_numpy(place)]
