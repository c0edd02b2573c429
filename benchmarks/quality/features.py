"""Features of pool and targets as the service computes them, once, kept on disk."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evoselect.spec.features import FeatureSpec
from store.records import Record
from workers.features import compute_features
from workers.fingerprint import sketch_fingerprint
from workers.models import LoadedModel

CHUNK = 128  # rows that are computed and stored at a time, so that little is lost when it ends


def computed(records: Sequence[Record], loaded: LoadedModel, spec: FeatureSpec, cache: Path) -> Tensor:
    """(n, blocks, block_dim) float16 features, each block of norm 1; all rows must have some."""
    order = sorted(range(len(records)), key=lambda i: len(records[i].prompt or ""))  # little padding
    parts = []
    for start in range(0, len(order), CHUNK):
        rows = [records[i] for i in order[start : start + CHUNK]]
        parts.append(_chunk(rows, loaded, spec, cache))
    back = torch.from_numpy(np.argsort(np.array(order)))
    return torch.cat(parts)[back]


def _chunk(records: Sequence[Record], loaded: LoadedModel, spec: FeatureSpec, cache: Path) -> Tensor:
    names = [sketch_fingerprint(loaded, spec), *(record.content_hash for record in records)]
    path = cache / f"{hashlib.sha256('|'.join(names).encode()).hexdigest()[:24]}.npy"
    if not path.exists():
        block = compute_features(records, loaded, spec, progress=lambda done: None)
        if set(block.status) != {"ok"}:
            raise RuntimeError(f"rows without features: {set(block.status)}")
        draft = path.with_suffix(f".{os.getpid()}.npy")  # another process may compute the same meanwhile
        np.save(draft, block.values.astype(np.float16))
        draft.rename(path)
    return torch.from_numpy(np.load(path))
