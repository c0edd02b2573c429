"""Conditioning of features: without it one early layer decides every similarity.

Steps: each module's block to norm 1 (times the root of its checkpoint's weight), minus the pool's mean,
optionally without the directions in which the means of the pool's forms differ, optionally whitened with
shrinkage, each row to norm 1. Fitted on the pool, applied to pool and target alike. The steps and their
order are ours; whitening follows TAROT's idea, with true whitening x (C + c I)^-1/2 and strong shrinkage:
without it noise wins.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from evoselect.errors import InvalidInput
from evoselect.features import row_blocks
from evoselect.spec.features import FeatureSpec

Values = Tensor | npt.NDArray[np.float32]
Kind = Literal["none", "centred", "whitened"]
BLOCK_BYTES = 8 * 2**20  # of float32 rows at a time; each step makes a few temporaries of it
LEFT_OVER = 1e-6  # of a row's norm: rounding, where the row equals the mean
FIT_ROWS = 16_384  # whitening is fitted on at most so many rows, evenly spaced: eigenvectors cost d^3 anyway
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
            raise _shape_error(values)
        done = torch.empty(values.shape[0], len(self.mean)) if into is None else into
        least = LEFT_OVER * float(torch.linalg.vector_norm(self.weights))
        for block in row_blocks(values, BLOCK_BYTES):
            rows = _without(flatten(values[block], self.weights) - self.mean, self.form)
            real = torch.linalg.vector_norm(rows, dim=1, keepdim=True) > least
            if self.directions.shape[1]:
                inside = rows @ self.directions
                rows = self.rest * rows + (inside * (self.scales - self.rest)) @ self.directions.T
            done[block] = torch.nn.functional.normalize(rows, dim=1) * real
        return done


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
    norms = _block_norms(pool, weights)
    mean, form = _mean_and_form(pool, norms, forms)
    nothing = (torch.zeros(len(mean), 0), torch.zeros(0), 1.0)
    if kind == "none":
        return Conditioner(norms, torch.zeros_like(mean), form, *nothing)
    if pool.shape[0] < 2:
        raise InvalidInput(f"centring needs at least 2 rows, got {pool.shape[0]}: use conditioning none")
    if kind == "centred":
        return Conditioner(norms, mean, form, *nothing)
    sample = flatten(pool[:: -(-pool.shape[0] // FIT_ROWS)], norms) - mean
    return Conditioner(norms, mean, form, *_whitening(_without(sample, form), shrinkage))


def _mean_and_form(pool: Tensor, norms: Tensor, forms: Tensor | None) -> tuple[Tensor, Tensor]:
    """(d,) mean of the flattened rows, and (d, f) directions between the means of forms; float32."""
    if pool.ndim != 3:
        raise _shape_error(pool)
    of_row = torch.zeros(len(pool), dtype=torch.long) if forms is None else forms
    counts = torch.bincount(of_row, minlength=1)
    totals = _totals(pool, norms, of_row, len(counts))
    mean = totals.sum(0) / max(1, len(pool))
    known = counts >= FORM_ROWS
    return mean.float(), _span(totals[known], counts[known])


def _span(totals: Tensor, counts: Tensor) -> Tensor:
    """(d, f) float32 orthonormal directions in which means of groups differ, from sums (g, d) and sizes."""
    if len(counts) < 2:
        return torch.zeros(totals.shape[1], 0)
    apart = (totals / counts[:, None] - totals.sum(0) / counts.sum()) * counts[:, None].sqrt()
    squares, vectors = torch.linalg.eigh(apart @ apart.T)
    keep = squares > FLAT * squares[-1]
    span: Tensor = apart.T @ vectors[:, keep] / squares[keep].sqrt()
    return span.float()


def _totals(pool: Tensor, norms: Tensor, of_row: Tensor, forms: int) -> Tensor:
    """(forms, d) float64 sums of the flattened rows of each form, added up a block of rows at a time."""
    totals = torch.zeros(forms, pool.shape[1] * pool.shape[2], dtype=torch.float64)
    for block in row_blocks(pool, BLOCK_BYTES):
        totals.index_add_(0, of_row[block], flatten(pool[block], norms).double())
    if not bool(torch.isfinite(totals).all()):
        raise InvalidInput("features to fit on must be finite: leave out rows whose status is not ok")
    return totals


def _without(rows: Tensor, directions: Tensor) -> Tensor:
    """Rows (n, d) less their part in orthonormal directions (d, f)."""
    return rows - (rows @ directions) @ directions.T if directions.shape[1] else rows


def condition(
    pool: Values,
    target: Values,
    spec: FeatureSpec,
    *,
    into: Tensor | None = None,
    forms: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Unit rows of both sides, conditioned as the spec says by the pool alone.

    pool (N, blocks, block_dim), target (M, blocks, block_dim) -> (N, d) and (M, d) float32, where d is
    blocks * block_dim. The pool's rows go into: (N, d) of any floating dtype, where one is given. forms: (N,)
    int64, the candidates', where what they add is to be taken out of both. Raises InvalidInput where a row is
    nothing but the mean of the pool, as in a pool of equal rows.
    """
    weights = [checkpoint.weight for checkpoint in spec.checkpoints] or [1.0]
    fitted = fit(
        torch.as_tensor(pool), spec.conditioning, shrinkage=spec.shrinkage, weights=weights, forms=forms
    )
    rows, goals = fitted.apply(torch.as_tensor(pool), into), fitted.apply(torch.as_tensor(target))
    if spec.conditioning != "none":
        _require_differences(rows, "candidates")
        _require_differences(goals, "targets")
    return rows, goals


def _require_differences(rows: Tensor, name: str) -> None:
    """Refuse rows of which centring left nothing."""
    zero = [rows[block].count_nonzero(dim=1) == 0 for block in row_blocks(rows)]
    equal = torch.cat(zero).nonzero().ravel()
    if len(equal):
        raise InvalidInput(
            f"{len(equal)} of {len(rows)} {name} (the first: row {int(equal[0])}) have the features of "
            "the pool's mean, of which centring leaves nothing: set features.conditioning to none"
        )


def combine(
    pool: Values,
    target: Values,
    hidden: tuple[Values, Values],
    spec: FeatureSpec,
    *,
    into: Tensor | None = None,
    forms: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Unit rows of gradients and hidden states: a cosine is the mean of the two parts' cosines, in which
    hidden states weigh ``spec.hidden_share`` (ours).

    pool (N, blocks, block_dim), target (M, blocks, block_dim), hidden: (N, h) and (M, h) -> (N, d + h) and
    (M, d + h) float32. Each part is conditioned by the pool alone. into: (N, d + h) and forms: (N,) as in
    ``condition``.
    """
    d = math.prod(pool.shape[1:])
    rows = torch.empty(len(pool), d + hidden[0].shape[1]) if into is None else into
    _, wanted = condition(pool, target, spec, into=rows[:, :d], forms=forms)
    states, asked = (torch.as_tensor(side)[:, None] for side in hidden)
    fitted = fit(states, spec.hidden_conditioning, shrinkage=spec.shrinkage, forms=forms)
    fitted.apply(states, rows[:, d:])
    rows[:, :d] *= (1 - spec.hidden_share) ** 0.5
    rows[:, d:] *= spec.hidden_share**0.5
    parts = [wanted * (1 - spec.hidden_share) ** 0.5, fitted.apply(asked) * spec.hidden_share**0.5]
    return rows, torch.cat(parts, dim=1)


def flatten(values: Tensor, norms: Tensor | None = None) -> Tensor:
    """values (n, blocks, block_dim) -> (n, d) float32 rows in which every block has its norm; zeros stay.

    norms: (blocks,), or 1 each. Raises InvalidInput for other than three dimensions.
    """
    if values.ndim != 3:
        raise _shape_error(values)
    unit = torch.nn.functional.normalize(values.float(), dim=2)
    return (unit if norms is None else unit * norms[:, None]).flatten(1)


def _shape_error(values: Tensor) -> InvalidInput:
    return InvalidInput(f"features must be (n, blocks, block_dim); their shape is {tuple(values.shape)}")


def _block_norms(values: Tensor, weights: Sequence[float]) -> Tensor:
    """(blocks,): root of each block's weight, so that cosines add up by weight; the mean weight is 1."""
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
