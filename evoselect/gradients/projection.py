"""Seeded random sketches of a linear layer's weight gradient, in two stages.

A weight gradient is a sum of outer products x d' of inputs and output gradients. Its two-sided sketch
P' (x d') Q = (P'x)(Q'd)' needs neither the gradient nor a matrix over its flattened form, but its noise
falls only with 1/p + 1/q. So p and q are larger than the wanted numbers need, and a third matrix over the
p * q numbers of an example (not of a token, so it costs nothing) brings them down (ours). Inner products of
sketches are unbiased estimates of the gradients' inner products (entries have mean 0 and E[PP'] = I).
"""

import hashlib
from dataclasses import dataclass
from math import isqrt
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["gaussian", "sparse"]


def sketch_matrix(rows: int, columns: int, *, kind: Kind, seed: int, name: str) -> Tensor:
    """A (rows, columns) float32 matrix P with E[P P'] = I that depends on the arguments alone.

    ``name`` says whose side it is, so that every layer has its own matrix whatever other layers are chosen.
    gaussian: entries N(0, 1/columns). sparse: the sparse Johnson-Lindenstrauss transform of Kane and Nelson
    (2014), s = ceil(sqrt(columns)) entries of +-1/sqrt(s) in each row; that the paper's is of this form is
    inferred.
    """
    generator = torch.Generator().manual_seed(_seed_of(f"{kind}|{seed}|{name}|{rows}x{columns}"))
    if kind == "gaussian":
        return torch.randn(rows, columns, generator=generator).div_(columns**0.5)
    entries = isqrt(columns - 1) + 1
    where = torch.rand(rows, columns, generator=generator).argsort(dim=1)[:, :entries]
    signs = torch.randint(0, 2, (rows, entries), generator=generator) * 2.0 - 1.0
    sketch = torch.zeros(rows, columns)
    sketch.scatter_(1, where, signs / entries**0.5)
    return sketch


@dataclass(frozen=True, slots=True)
class GradientSketch:
    """The linear map from one layer's weight gradients (in, out) to ``dim`` numbers."""

    left: Tensor
    """(in, p), in the model's dtype."""
    right: Tensor
    """(out, q), in the model's dtype."""
    mix: Tensor | None
    """(p * q, dim) float32; None where p * q numbers are no more than wanted."""

    @property
    def dim(self) -> int:
        """Numbers of a sketch."""
        return self.left.shape[1] * self.right.shape[1] if self.mix is None else self.mix.shape[1]

    def to(self, like: Tensor) -> "GradientSketch":
        """The same on the device of ``like`` (out, in), its sides also in that dtype."""
        mix = None if self.mix is None else self.mix.to(like.device)
        return GradientSketch(self.left.to(like), self.right.to(like), mix)

    def of_sides(self, inputs: Tensor, outputs: Tensor) -> Tensor:
        """inputs (b, t, p) x P, outputs (b, t, q) d Q -> (b, dim) float32 sketch of sum_t x d'."""
        return self._mixed(torch.bmm(inputs.float().transpose(1, 2), outputs.float()))

    def of_gradient(self, gradient: Tensor) -> Tensor:
        """gradient (b, in, out) of whole layers -> (b, dim) float32."""
        return self._mixed(self.left.float().T @ gradient.float() @ self.right.float())

    def _mixed(self, two_sided: Tensor) -> Tensor:
        flat = two_sided.flatten(1)
        return flat if self.mix is None else flat @ self.mix


def gradient_sketch(
    inputs: int, outputs: int, *, sides: tuple[int, int], dim: int, kind: Kind, seed: int, name: str
) -> GradientSketch:
    """The sketch of a layer with that many inputs and outputs to at most ``dim`` numbers, float32."""
    p, q = sides
    left = sketch_matrix(inputs, p, kind=kind, seed=seed, name=f"{name}/in")
    right = sketch_matrix(outputs, q, kind=kind, seed=seed, name=f"{name}/out")
    if p * q <= dim:
        return GradientSketch(left, right, None)
    return GradientSketch(left, right, sketch_matrix(p * q, dim, kind=kind, seed=seed, name=f"{name}/mix"))


def sketch_bytes(
    inputs: int, outputs: int, *, sides: tuple[int, int], dim: int, kind: Kind, itemsize: int
) -> tuple[int, int]:
    """Bytes of a layer's sketch whose sides have ``itemsize`` a number, and more while it is made."""
    p, q = sides
    numbers = inputs * p + outputs * q
    mixed = p * q * dim if p * q > dim else 0
    largest = max(inputs * p, outputs * q, mixed)
    return numbers * itemsize + mixed * 4, largest * 20 if kind == "sparse" else numbers * 4


def _seed_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
