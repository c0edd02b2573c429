"""One shard of a pool: what it answers about its own rows, numbered from 0 (ours).

Part
+-- Rows    the shard's features, in memory or mapped
+-- Kept    what a shard left before it went; it is asked again for anything else (pools/kept.py)

Answers depend on the rows alone, to the last bit, never on the cut: a pool of one shard and one of seven
select the same.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.features import Matrix, check_unit_rows, column_hashes, gather, row_hashes
from evoselect.neighbours import matrix
from evoselect.neighbours.both_ways import Nearest, nearest_both_ways
from evoselect.neighbours.lists import Listed, nearest
from evoselect.neighbours.matrix import Some
from evoselect.neighbours.one_pass import reached_and_nearest
from evoselect.neighbours.priced import Priced, Reached, edges_below


class Part(Protocol):
    """n unit rows of d numbers."""

    @property
    def shape(self) -> torch.Size:
        """(n, d)."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Of the rows as they are stored."""
        ...

    @property
    def device(self) -> torch.device:
        """Where answers lie."""
        ...

    def check(self, first: int) -> None:
        """Raise InvalidInput at a row that is not finite or not of norm 1; they are named from ``first``."""
        ...

    def keys(self) -> Ints:
        """(n,) hashes of a few columns: equal where rows are bit-equal, and seldom else."""
        ...

    def hashes(self, rows: Ints) -> Ints:
        """rows (r,) -> (r,) 64-bit hashes of all their columns."""
        ...

    def gather(self, rows: Ints) -> Tensor:
        """rows (r,) in any order -> (r, d) float32."""
        ...

    def nearest(self, targets: Tensor, count: int) -> tuple[Floats, Ints]:
        """targets (M, d), count <= n -> (M, count) cosines, best first, and their rows; ties by row."""
        ...

    def listed(self, targets: Tensor, count: int) -> Listed:
        """targets (m, d) -> what is known of the ``count`` nearest of each without asking anew."""
        ...

    def edges_below(self, targets: Tensor, price: Floats, window: float) -> Priced:
        """targets (M, d), price (M,) -> edges that cost no more, within ``window`` of their row's best."""
        ...

    def cheapest(self, targets: Tensor, g: Floats) -> Floats:
        """targets (M, d), g (M,) -> (n,) min_j (C_ij - g_j)."""
        ...

    def scores(self, direction: Tensor) -> Floats:
        """direction (d,) -> (n,) inner products."""
        ...

    def near(self, targets: Tensor) -> Nearest:
        """targets (M, d) -> each row's nearest of them, and the best row of each."""
        ...

    def reached_and_near(self, targets: Tensor, most: Floats) -> tuple[Reached, Nearest]:
        """targets (M, d) -> all pairs that cost at most ``most`` (M,), and `near` of the same targets."""
        ...

    def among(self, rows: Ints) -> "Part":
        """The same of some rows (r,), ascending."""
        ...


@dataclass(frozen=True)
class Rows:
    """A part whose features can be read."""

    matrix: Matrix  # (n, d)

    @property
    def shape(self) -> torch.Size:
        """(n, d)."""
        return self.matrix.shape

    @property
    def dtype(self) -> torch.dtype:
        """Of the matrix."""
        return self.matrix.dtype

    @property
    def device(self) -> torch.device:
        """Of the matrix."""
        return self.matrix.device

    def check(self, first: int) -> None:
        """One pass over the rows."""
        check_unit_rows(self.matrix, "candidates", first)

    def keys(self) -> Ints:
        """(n,) from the first columns."""
        return column_hashes(self.matrix)

    def hashes(self, rows: Ints) -> Ints:
        """rows (r,) -> (r,), a block of them at a time."""
        return row_hashes(self.matrix, rows)

    def gather(self, rows: Ints) -> Tensor:
        """rows (r,) -> (r, d), a copy."""
        return gather(self.matrix, torch.from_numpy(rows))

    def nearest(self, targets: Tensor, count: int) -> tuple[Floats, Ints]:
        """targets (M, d) -> (M, count): one pass, and a second where many are nearly as near."""
        return nearest(self.matrix, targets, count)

    def listed(self, targets: Tensor, count: int) -> Listed:
        """targets (m, d): all ``count`` nearest."""
        return Listed.of(*self.nearest(targets, count))

    def edges_below(self, targets: Tensor, price: Floats, window: float) -> Priced:
        """targets (M, d), price (M,): one pass over the rows."""
        return edges_below(self.matrix, targets, price, window)

    def cheapest(self, targets: Tensor, g: Floats) -> Floats:
        """targets (M, d), g (M,) -> (n,): one pass over the rows."""
        return matrix.cheapest(self.matrix, targets, g)

    def scores(self, direction: Tensor) -> Floats:
        """direction (d,) -> (n,): one pass over the rows."""
        return matrix.scores(self.matrix, direction)

    def near(self, targets: Tensor) -> Nearest:
        """targets (M, d): one pass over the rows."""
        return nearest_both_ways(self.matrix, targets)

    def reached_and_near(self, targets: Tensor, most: Floats) -> tuple[Reached, Nearest]:
        """targets (M, d), most (M,): one pass over the rows for both."""
        return reached_and_nearest(self.matrix, targets, most)

    def among(self, rows: Ints) -> "Rows":
        """rows (r,): a view, nothing is copied."""
        if len(rows) == self.shape[0]:
            return self
        whole, kept = (
            (self.matrix.whole, self.matrix.kept[rows])
            if isinstance(self.matrix, Some)
            else (self.matrix, rows)
        )
        return Rows(Some(whole, kept))
