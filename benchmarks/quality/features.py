"""Gradient features of pool and targets, computed once and kept on disk.

product: what the service computes by default. top: of the trained layers alone. choices: of the trained
layers, and of the cross-entropy over the offered choices in place of the answer's loss (records without
choices keep the answer's). All positions count in the latter two, whose prompts are cheap. With ``warm-``
before it: at the top layers after a training on a random draw, as LESS takes its gradients.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.quality.model import by_length
from benchmarks.quality.training import Texts, answer_nlls
from evoselect.gradients.extractor import GradientExtractor
from evoselect.spec.features import FeatureSpec
from store.records import Record
from workers.features import compute_features
from workers.fingerprint import sketch_fingerprint
from workers.models import LoadedModel

CHUNK = 128  # rows that are computed and stored at a time, so that little is lost when it ends
TOP_SPEC = FeatureSpec(positions="all")
TOP_TOKENS = 1024  # of a micro-batch

Compute = Callable[[list[int]], dict[str, Any]]


@dataclass(frozen=True)
class Made:
    """How features are made, and where they are kept."""

    kind: str
    by: str
    """Identifies model and settings: a file made by others is not read."""
    cache: Path

    def path(self, rows: Sequence[str]) -> Path:
        """The file of these rows."""
        digest = hashlib.sha256("\n".join([self.by, *rows]).encode()).hexdigest()[:16]
        return self.cache / f"{self.kind}-{digest}.npz"


@dataclass(frozen=True)
class Features:
    """Rows before conditioning."""

    values: Tensor  # (n, blocks, block_dim) float16, each block of norm 1
    nll: Tensor  # (n,) of what the gradient is of

    def __getitem__(self, rows: slice) -> "Features":
        return Features(self.values[rows], self.nll[rows])


def product(records: Sequence[Record], loaded: LoadedModel, cache: Path) -> Features:
    """By the service's own settings."""

    def compute(part: list[int]) -> dict[str, Any]:
        block = compute_features(
            [records[i] for i in part], loaded, FeatureSpec(), progress=lambda done: None
        )
        if set(block.status) != {"ok"}:
            raise RuntimeError(f"rows without features: {set(block.status)}")
        return {"values": block.values, "nll": block.nll}

    rows = [record.content_hash for record in records]
    made = Made("product", sketch_fingerprint(loaded, FeatureSpec()), cache)
    return cached(made, rows, [len(record.completion) for record in records], compute)


def of_top(made: Made, texts: Texts, top: Any) -> Features:
    """Kind ``top`` or ``choices``, or either with ``warm-`` before it, from the states of the texts."""
    extractor = GradientExtractor(top, TOP_SPEC)
    loss = _choice_loss if made.kind.endswith("choices") else _answer_loss

    def compute(part: list[int]) -> dict[str, Any]:
        values = torch.zeros(len(part), len(extractor.blocks), extractor.block_dim)
        nll = torch.zeros(len(part))
        for batch in by_length([texts.rows[i] for i in part], TOP_TOKENS):
            into = torch.zeros(len(batch), *values.shape[1:])
            with torch.enable_grad(), extractor.recording(into):
                losses = loss(top, texts, [part[i] for i in batch])
                torch.autograd.backward(losses.sum())
            values[batch], nll[batch] = torch.nn.functional.normalize(into, dim=2), losses.detach()
        return {"values": values.numpy(), "nll": nll.numpy()}

    rows = [f"{row.ids} {row.labels}" for row in texts.rows]
    return cached(made, rows, [len(row.ids) for row in texts.rows], compute)


def _answer_loss(top: Any, texts: Texts, part: Sequence[int]) -> Tensor:
    return torch.stack(
        [nlls[texts.right[i]] for i, nlls in zip(part, answer_nlls(top, texts, part), strict=True)]
    )


def _choice_loss(top: Any, texts: Texts, part: Sequence[int]) -> Tensor:
    """-log softmax(-NLL) of the right choice; a lone answer's NLL as it is."""
    losses = []
    for i, nlls in zip(part, answer_nlls(top, texts, part), strict=True):
        at = texts.right[i]
        losses.append(nlls[at] if len(nlls) == 1 else -(-nlls).log_softmax(0)[at])
    return torch.stack(losses)


def cached(made: Made, rows: Sequence[str], sizes: Sequence[int], compute: Compute) -> Features:
    """Chunks of rows of similar size, each in a file of its own."""
    order = sorted(range(len(rows)), key=lambda i: -sizes[i])
    values, nll = [], []
    for start in range(0, len(order), CHUNK):
        part = order[start : start + CHUNK]
        path = made.path([rows[i] for i in part])
        if not path.exists():
            found = compute(part)
            draft = path.with_suffix(f".{os.getpid()}")  # another process may compute the same meanwhile
            with draft.open("wb") as file:
                np.savez(file, values=found["values"].astype(np.float16), nll=found["nll"])
            draft.rename(path)
        with np.load(path) as held:
            values.append(held["values"])
            nll.append(held["nll"])
    back = torch.from_numpy(np.argsort(order))
    return Features(
        torch.from_numpy(np.concatenate(values))[back], torch.from_numpy(np.concatenate(nll))[back]
    )
