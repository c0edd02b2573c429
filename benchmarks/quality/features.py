"""Features of pool and targets as the service computes them, once, kept on disk."""

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from evoselect.spec.features import FeatureSpec
from store.records.record import Record
from workers.features.compute import compute_features
from workers.features.fingerprint import sketch_fingerprint
from workers.models.loading import LoadedModel

Chunk = dict[str, npt.NDArray[np.float16]]
CHUNK = 128  # rows that are computed and stored at a time, so that little is lost when it ends


def computed(
    records: Sequence[Record], loaded: LoadedModel, spec: FeatureSpec, cache: Path
) -> dict[str, Tensor]:
    """values (n, blocks, block_dim) and, where there are some, hidden (n, 1, hidden), all float16.

    Raises RuntimeError where a row has none.
    """
    order = sorted(range(len(records)), key=lambda i: len(records[i].prompt or ""))  # little padding
    chunks = [
        _chunk([records[i] for i in order[start : start + CHUNK]], loaded, spec, cache)
        for start in range(0, len(order), CHUNK)
    ]
    back = np.argsort(np.array(order))
    return {
        name: torch.from_numpy(np.concatenate([chunk[name] for chunk in chunks])[back]) for name in chunks[0]
    }


def _chunk(records: Sequence[Record], loaded: LoadedModel, spec: FeatureSpec, cache: Path) -> Chunk:
    names = [sketch_fingerprint(loaded, spec), *(record.content_hash for record in records)]
    path = cache / f"{hashlib.sha256('|'.join(names).encode()).hexdigest()[:24]}.npz"
    if not path.exists():
        block = compute_features(records, loaded, spec, progress=lambda done: None)
        if set(block.status) != {"ok"}:
            raise RuntimeError(f"rows without features: {set(block.status)}")
        parts = {"values": block.values.astype(np.float16)}
        if block.hidden is not None:
            parts["hidden"] = block.hidden[:, None].astype(np.float16)
        draft = path.with_suffix(f".{os.getpid()}.npz")  # another process may compute the same meanwhile
        np.savez(draft, **parts)  # type: ignore[arg-type]  # its other keyword is a bool
        draft.rename(path)
        print(f"features of {len(records)} rows", file=sys.stderr, flush=True)
    return dict(np.load(path))
