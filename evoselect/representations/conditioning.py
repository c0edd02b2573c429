"""Conditioning of features: without it one early layer decides every similarity.

Steps: each module's block to norm 1 (times the root of its checkpoint's weight), minus the pool's mean,
optionally without the directions in which the means of the pool's forms differ, optionally whitened with
shrinkage, each row to norm 1. Fitted on the pool, applied to pool and target alike. The steps and their
order are ours; whitening follows TAROT's idea, with true whitening x (C + c I)^-1/2 and strong shrinkage:
without it noise wins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from evoselect.errors import InvalidInput
from evoselect.neighbours.matrix import STRIDE
from evoselect.representations.sums import (
    BLOCK_BYTES,
    UNIT,
    Sums,
    flatten,
    sample_step,
    shape_error,
    sums_of,
)

Values = Tensor | npt.NDArray[np.float32]
Kind = Literal["none", "centred", "whitened"]
LEFT_OVER = 1e-6  # of a row's norm: rounding, where the row equals the mean
FORM_ROWS = 5  # of a form; the mean of fewer says more of these rows than of their form
FLAT = 1e-6  # of the largest difference's square: float32 rows carry no smaller direction


@dataclass(frozen=True, slots=True)
class Conditioner:
    """What was fitted on a pool; ``apply`` makes unit rows of any features of the same sketch."""

    weights: Tensor
    """(blocks,) float32: the norm that every block gets."""
    mean: Tensor
    """(blocks * block_dim,) float32."""
    form: Tensor
    """(d, f) float32, orthonormal: where the means of forms differ, taken out; f = 0 where form counts."""
    directions: Tensor
    """(d, r) float32, orthonormal: what whitening rescales; r = 0 without whitening."""
    scales: Tensor
    """(r,) float32: factor of each direction."""
    rest: float
    """Factor of everything orthogonal to the directions."""

    def apply(self, values: Tensor, into: Tensor | None = None) -> Tensor:
        """values (n, blocks, block_dim) -> (n, d) rows of norm 1, a block of rows at a time.

        float32, or of the dtype of ``into`` (n, d), which is filled and returned. A row that differs from the
        mean by no more than rounding becomes zero. Raises InvalidInput for other than three dimensions.
        """
        if values.ndim != 3:
            raise shape_error(values)
        done = torch.empty(values.shape[0], len(self.mean)) if into is None else into
        least = LEFT_OVER * float(torch.linalg.vector_norm(self.weights))
        height = product_rows(len(self.mean))
        for start in range(0, values.shape[0], height):
            block = slice(start, min(start + height, values.shape[0]))
            rows = self._turned(flatten(values[block], self.weights).sub_(self.mean), height)
            real = torch.linalg.vector_norm(rows[0], dim=1, keepdim=True) > least
            done[block] = torch.nn.functional.normalize(rows[1], dim=1).mul_(real)
        return done

    def _turned(self, rows: Tensor, height: int) -> tuple[Tensor, Tensor]:
        """Rows (n, d) without form, and those whitened; products have ``height`` rows, as in `tiles`."""
        count, projects = len(rows), bool(self.form.shape[1] or self.directions.shape[1])
        if projects and count < height:
            rows = torch.cat([rows, rows.new_zeros(height - count, rows.shape[1])])
        plain = white = _without(rows, self.form)
        if self.directions.shape[1]:
            inside = plain @ self.directions
            white = self.rest * plain + (inside * (self.scales - self.rest)) @ self.directions.T
        return plain[:count], white[:count]


def fit(
    pool: Tensor,
    kind: Kind = "centred",
    *,
    shrinkage: float = 10.0,
    weights: Sequence[float] = (1.0,),
    forms: Tensor | None = None,
) -> Conditioner:
    """A conditioner fitted on ``pool`` (N, blocks, block_dim).

    whitened: direction with mean squared coordinate s is scaled by (s + shrinkage * mean of s)^-1/2.
    weights: of each checkpoint's equal share of the blocks, in order. forms: (N,) int64 from 0, each
    row's, where form is not to count. Raises InvalidInput for features that are not finite, or for
    fewer than two rows to centre by.
    """
    count = 1 if forms is None else max(1, len(torch.bincount(forms)))
    norms = block_norms(pool, weights)
    step = sample_step(pool.shape[0]) if kind == "whitened" else max(1, pool.shape[0])
    return fit_to(sums_of(pool, norms, forms, count=count, step=step), norms, kind, shrinkage)


def fit_to(sums: Sums, norms: Tensor, kind: Kind = "centred", shrinkage: float = 10.0) -> Conditioner:
    """The same from the sums of all shards; norms: (blocks,) as they were summed with."""
    mean, form = sums.mean.float(), _form(sums)
    nothing = (torch.zeros(len(mean), 0), torch.zeros(0), 1.0)
    if kind == "none":
        return Conditioner(norms, torch.zeros_like(mean), form, *nothing)
    if sums.rows < 2:
        raise InvalidInput(f"centring needs at least 2 rows, got {sums.rows}: use conditioning none")
    if kind == "centred":
        return Conditioner(norms, mean, form, *nothing)
    sample = flatten(sums.sample, norms) - mean
    return Conditioner(norms, mean, form, *_whitening(_without(sample, form), shrinkage))


def _form(sums: Sums) -> Tensor:
    """(d, f) float32 directions between the means of forms."""
    known = sums.counts >= FORM_ROWS
    return _span(sums.totals[known].double() * UNIT, sums.counts[known])


def product_rows(width: int) -> int:
    """How many rows of ``width`` numbers are conditioned at once: always so many, in whole strides."""
    return max(STRIDE, BLOCK_BYTES // (4 * width) // STRIDE * STRIDE)


def _span(totals: Tensor, counts: Tensor) -> Tensor:
    """(d, f) float32 orthonormal directions in which means of groups differ, from sums (g, d) and sizes."""
    if len(counts) < 2:
        return torch.zeros(totals.shape[1], 0)
    apart = (totals / counts[:, None] - totals.sum(0) / counts.sum()) * counts[:, None].sqrt()
    squares, vectors = torch.linalg.eigh(apart @ apart.T)
    keep = squares > FLAT * squares[-1]
    span: Tensor = apart.T @ vectors[:, keep] / squares[keep].sqrt()
    return span.float()


def _without(rows: Tensor, directions: Tensor) -> Tensor:
    """Rows (n, d) less their part in orthonormal directions (d, f)."""
    return rows - (rows @ directions) @ directions.T if directions.shape[1] else rows


def block_norms(values: Tensor, weights: Sequence[float]) -> Tensor:
    """values (n, blocks, block_dim) -> (blocks,) root of each block's weight, of mean 1.

    So cosines add up by weight. Raises InvalidInput unless the blocks are equal shares for the weights.
    """
    blocks = values.shape[1] if values.ndim == 3 else 0
    if blocks % len(weights):
        raise InvalidInput(f"{blocks} blocks are not {len(weights)} equal shares: one for each checkpoint")
    shares = torch.tensor(weights) / (sum(weights) / len(weights))
    return shares.sqrt().repeat_interleave(blocks // len(weights))


def _whitening(sample: Tensor, shrinkage: float) -> tuple[Tensor, Tensor, float]:
    """Directions, their scales, and the scale of the rest, from centred rows."""
    n, d = sample.shape
    small = (sample @ sample.T if n < d else sample.T @ sample).double()
    squares, vectors = torch.linalg.eigh(small)  # ascending
    keep = squares > squares[-1] * 1e-9  # float32 products carry no smaller direction
    if not bool(keep.any()):
        raise InvalidInput("all rows are equal, nothing is left to whiten: use conditioning none")
    squares, vectors = squares[keep], vectors[:, keep].float()
    directions = sample.T @ vectors / squares.sqrt().float() if n < d else vectors
    noise = shrinkage * float(squares.mean())
    return directions, (squares + noise).rsqrt().float(), noise**-0.5
