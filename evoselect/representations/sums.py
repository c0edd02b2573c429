"""What centring and whitening need of a shard, added up to the same bits however a pool is cut (ours).

Every number is rounded to a whole multiple of UNIT and the multiples are added as integers: their sum has no
order. The mean of N rows is off by at most UNIT / 2, below a float32 of its size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from evoselect.errors import InvalidInput
from evoselect.features import row_blocks

UNIT = 2.0**-30  # of a feature, at most 4: two thousand million rows fit into 64 bits
BLOCK_BYTES = 8 * 2**20  # of float32 rows at a time; each step makes a few temporaries of it
FIT_ROWS = 16_384  # whitening is fitted on at most so many rows, evenly spaced: eigenvectors cost d^3 anyway


@dataclass(frozen=True)
class Sums:
    """Of the rows of a shard, by the form of each."""

    totals: Tensor  # (forms, d) int64, in UNIT
    counts: Tensor  # (forms,) int64 rows
    sample: Tensor  # (s, blocks, block_dim) the shard's rows among those that whitening is fitted on

    @property
    def rows(self) -> int:
        """Of all forms."""
        return int(self.counts.sum())

    @property
    def mean(self) -> Tensor:
        """(d,) float64; zeros where there is no row."""
        return self.totals.sum(0).double() * (UNIT / max(1, self.rows))


def _added(rows: Tensor) -> Tensor:
    """rows (n, d) whole numbers -> (1, d) float64 sums."""
    return rows.sum(0, keepdim=True, dtype=torch.float64)


def _by_form(rows: Tensor, forms: Tensor, count: int) -> Tensor:
    """rows (n, d) whole numbers, forms (n,) -> (count, d) sums."""
    return torch.zeros(count, rows.shape[1], dtype=rows.dtype).index_add_(0, forms, rows)


def sample_step(rows: int) -> int:
    """Every how many of a pool's rows one is in the sample."""
    return max(1, -(-rows // FIT_ROWS))


def sums_of(
    features: Tensor,
    norms: Tensor,
    forms: Tensor | None = None,
    *,
    count: int = 1,
    step: int = 1,
    first: int = 0,
) -> Sums:
    """Sums of a shard's features (n, blocks, block_dim), each block scaled to norms (blocks,).

    forms: (n,) int64 below ``count``, each row's. The sample is every row whose number in the pool is a
    multiple of ``step``; the shard begins at row ``first``. Raises InvalidInput for features that are not
    finite or not of three dimensions.
    """
    if features.ndim != 3:
        raise shape_error(features)
    of_row = torch.zeros(len(features), dtype=torch.long) if forms is None else forms
    totals = torch.zeros(count, features.shape[1] * features.shape[2], dtype=torch.int64)
    for block in row_blocks(features, BLOCK_BYTES):
        whole = flatten(features[block], norms).mul_(1 / UNIT).round_()  # exact: a power of two
        added = _by_form(whole.double(), of_row[block], count) if count > 1 else _added(whole)
        if not bool(torch.isfinite(added).all()):
            raise InvalidInput("features to fit on must be finite: leave out rows whose status is not ok")
        totals += added.long()  # exact: a block's sum is below 2^53
    return Sums(totals, torch.bincount(of_row, minlength=count), features[-first % step :: step])


class Adding:
    """Sums of shards in the order of their rows, added up as they come."""

    def __init__(self) -> None:
        self.parts = 0
        self._totals = self._counts = torch.zeros(0, dtype=torch.int64)
        self._samples: list[Tensor] = []

    def add(self, shard: Sums) -> None:
        """The next shard's; only what is sampled of its rows stays in memory."""
        self._totals = self._totals + shard.totals if self.parts else shard.totals
        self._counts = self._counts + shard.counts if self.parts else shard.counts
        self._samples += [shard.sample.clone()] if len(shard.sample) or not self.parts else []
        self.parts += 1

    @property
    def sums(self) -> Sums:
        """Of all of them, one at least."""
        return Sums(self._totals, self._counts, torch.cat(self._samples))


def flatten(values: Tensor, norms: Tensor | None = None) -> Tensor:
    """values (n, blocks, block_dim) -> (n, d) float32 rows in which every block has its norm; zeros stay.

    norms: (blocks,), or 1 each. Raises InvalidInput for other than three dimensions.
    """
    if values.ndim != 3:
        raise shape_error(values)
    unit = torch.nn.functional.normalize(values.float(), dim=2)
    return (unit if norms is None else unit.mul_(norms[:, None])).flatten(1)


def shape_error(values: Tensor) -> InvalidInput:
    """What values of another shape are refused with: they must be values (n, blocks, block_dim)."""
    return InvalidInput(f"features must be (n, blocks, block_dim); their shape is {tuple(values.shape)}")
