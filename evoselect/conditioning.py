"""Conditioning of features: without it one early layer decides every similarity.

Steps: each module's block to norm 1 (times the root of its checkpoint's weight), minus the pool's mean,
optionally whitened with shrinkage, each row to norm 1. Fitted on the pool, applied to pool and target alike.
The steps and their order are ours; whitening follows TAROT's idea, with true whitening x (C + c I)^-1/2 and
strong shrinkage: without it noise wins.
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
FIT_ROWS = 16_384  # whitening is fitted on at most so many rows, evenly spaced: eigenvectors cost d^3 anyway


@dataclass(frozen=True, slots=True)
class Conditioner:
    """What was fitted on a pool; ``apply`` makes unit rows of any features of the same sketch."""

    weights: Tensor
    """(blocks,) float32: the norm that every block gets."""
    mean: Tensor
    """(blocks * block_dim,) float32."""
    directions: Tensor
    """(d, r) float32, orthonormal: what whitening rescales; r = 0 without whitening."""
    scales: Tensor
    """(r,) float32: factor of each direction."""
    rest: float
    """Factor of everything orthogonal to the directions."""

    def apply(self, values: Tensor, into: Tensor | None = None) -> Tensor:
        """(n, d) rows of norm 1 from (n, blocks, block_dim) features, a block of rows at a time.

        float32, or of the dtype of ``into`` (n, d), which is filled and returned. A zero row stays zero.
        """
        if values.ndim != 3:
            raise _shape_error(values)
        done = torch.empty(values.shape[0], len(self.mean)) if into is None else into
        for block in row_blocks(values, BLOCK_BYTES):
            rows = flatten(values[block], self.weights) - self.mean
            if self.directions.shape[1]:
                inside = rows @ self.directions
                rows = self.rest * rows + (inside * (self.scales - self.rest)) @ self.directions.T
            done[block] = torch.nn.functional.normalize(rows, dim=1)
        return done


def fit(
    pool: Tensor, kind: Kind = "centred", shrinkage: float = 10.0, weights: Sequence[float] = (1.0,)
) -> Conditioner:
    """A conditioner fitted on the pool's (n, blocks, block_dim) features.

    whitened: direction with mean squared coordinate s is scaled by (s + shrinkage * mean of s)^-1/2.
    weights: of each checkpoint's equal share of the blocks, in order. Raises InvalidInput for features that
    are not finite, or for fewer than two rows to centre by.
    """
    norms = _block_norms(pool, weights)
    mean = _mean(pool, norms)
    nothing = (torch.zeros(len(mean), 0), torch.zeros(0), 1.0)
    if kind == "none":
        return Conditioner(norms, torch.zeros_like(mean), *nothing)
    if pool.shape[0] < 2:
        raise InvalidInput(f"centring needs at least 2 rows, got {pool.shape[0]}: use conditioning none")
    if kind == "centred":
        return Conditioner(norms, mean, *nothing)
    sample = flatten(pool[:: -(-pool.shape[0] // FIT_ROWS)], norms)
    return Conditioner(norms, mean, *_whitening(sample - mean, shrinkage))


def _mean(pool: Tensor, norms: Tensor) -> Tensor:
    """(d,) float32 mean of the flattened rows, added up in float64 a block of rows at a time."""
    if pool.ndim != 3:
        raise _shape_error(pool)
    total = torch.zeros(pool.shape[1] * pool.shape[2], dtype=torch.float64)
    for block in row_blocks(pool, BLOCK_BYTES):
        total += flatten(pool[block], norms).double().sum(0)
    if not bool(torch.isfinite(total).all()):
        raise InvalidInput("features to fit on must be finite: leave out rows whose status is not ok")
    return (total / max(1, pool.shape[0])).float()


def condition(
    pool: Values, target: Values, spec: FeatureSpec, into: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Unit rows of pool (N, d) and target (M, d), float32, conditioned as the spec says by the pool alone.

    The pool's rows go ``into`` a matrix (N, d) of any floating dtype where one is given.
    """
    weights = [checkpoint.weight for checkpoint in spec.checkpoints] or [1.0]
    fitted = fit(torch.as_tensor(pool), spec.conditioning, spec.shrinkage, weights)
    return fitted.apply(torch.as_tensor(pool), into), fitted.apply(torch.as_tensor(target))


def combine(
    pool: Values, target: Values, hidden: tuple[Values, Values], spec: FeatureSpec, into: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Unit rows (n, d + h) of pool and target: gradients (n, blocks, block_dim) and hidden states (n, h).

    Both are conditioned as the spec says, each by its own pool alone. A cosine is the mean of the two parts'
    cosines, in which hidden states weigh ``spec.hidden_share`` (ours). The pool's rows go ``into`` a matrix
    where one is given.
    """
    d = math.prod(pool.shape[1:])
    rows = torch.empty(len(pool), d + hidden[0].shape[1]) if into is None else into
    _, wanted = condition(pool, target, spec, rows[:, :d])
    states, asked = (torch.as_tensor(side)[:, None] for side in hidden)
    fitted = fit(states, spec.conditioning, spec.shrinkage)
    fitted.apply(states, rows[:, d:])
    rows[:, :d] *= (1 - spec.hidden_share) ** 0.5
    rows[:, d:] *= spec.hidden_share**0.5
    parts = [wanted * (1 - spec.hidden_share) ** 0.5, fitted.apply(asked) * spec.hidden_share**0.5]
    return rows, torch.cat(parts, dim=1)


def flatten(values: Tensor, norms: Tensor | None = None) -> Tensor:
    """(n, d) float32 rows in which every block has its norm (blocks,), or 1; a zero block stays zero."""
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
