"""Seeded random sketches of a linear layer's two sides.

A weight gradient is a sum of outer products x d' of inputs and output gradients. Its two-sided sketch
P' (x d') Q = (P'x)(Q'd)' needs neither the gradient nor a matrix over its flattened form. Inner products of
sketches are unbiased estimates of the inner products of the gradients (entries have mean 0 and E[PP'] = I).
"""

import hashlib
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


def _seed_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
