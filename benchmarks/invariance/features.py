"""Features of all rows by the service's own code, kept by fingerprint: a second run computes nothing."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from evoselect.spec.features import FeatureSpec
from evoselect.spec.reading import Rendering
from store.records.record import Record
from workers.features.compute import compute_features
from workers.features.fingerprint import sketch_fingerprint
from workers.models.loading import LoadedModel

CACHE = Path("~/.cache/evoselect/invariance").expanduser()
CHUNK = 64  # rows that are computed and stored at a time: what an interruption loses
TIMED = 64  # rows, evenly spaced by length, by which kinds are timed

Half = npt.NDArray[np.float16]


class Features:
    """Gradients and hidden states of records in one rendering, each record's computed once, in one pass."""

    def __init__(self, loaded: LoadedModel, rendering: Rendering, say: Callable[[str], None]) -> None:
        self._loaded, self._rendering, self._say = loaded, rendering, say
        self._spec = FeatureSpec(kind="combined", rendering=rendering)
        self._folder = CACHE / sketch_fingerprint(loaded, self._spec)[:24]
        self._held: dict[str, tuple[Half, Half]] = {}

    def __call__(self, records: Sequence[Record]) -> tuple[Tensor, Tensor]:
        """(n, blocks, block_dim) gradients and (n, h) hidden states, float32, in the order of the records."""
        missing = {row.content_hash: row for row in records if not self._known(row)}
        ordered = _by_length(list(missing.values()))
        for start in range(0, len(ordered), CHUNK):
            self._compute(ordered[start : start + CHUNK])
            self._say(f"{self._rendering}: {min(start + CHUNK, len(ordered))} of {len(ordered)} rows")
        for row in records:
            if row.content_hash not in self._held:
                with np.load(self._path(row)) as file:
                    self._held[row.content_hash] = file["values"], file["hidden"]
        sides = zip(*(self._held[row.content_hash] for row in records), strict=True)
        values, hidden = (torch.from_numpy(np.stack(side).astype(np.float32)) for side in sides)
        return values, hidden

    def cost(self, kind: str, records: Sequence[Record]) -> float:
        """Seconds that 1,000 rows like these take, measured now."""
        ordered = _by_length(records)
        rows = ordered[:: -(-len(ordered) // TIMED)]
        spec = FeatureSpec.model_validate({"kind": kind, "rendering": self._rendering})
        compute_features(rows[-4:], self._loaded, spec, progress=lambda done: None)
        start = time.perf_counter()
        compute_features(rows, self._loaded, spec, progress=lambda done: None)
        return round(1000 * (time.perf_counter() - start) / len(rows), 1)

    def _known(self, row: Record) -> bool:
        return row.content_hash in self._held or self._path(row).exists()

    def _path(self, row: Record) -> Path:
        return self._folder / f"{row.content_hash}.npz"

    def _compute(self, rows: list[Record]) -> None:
        block = compute_features(rows, self._loaded, self._spec, progress=lambda done: None)
        if set(block.status) != {"ok"} or block.hidden is None:
            raise RuntimeError(f"rows without features: {set(block.status)}")
        self._folder.mkdir(parents=True, exist_ok=True)
        for row, values, hidden in zip(rows, block.values, block.hidden, strict=True):
            draft = self._path(row).with_suffix(f".{os.getpid()}")
            with draft.open("wb") as file:
                np.savez(file, values=values.astype(np.float16), hidden=hidden.astype(np.float16))
            draft.rename(self._path(row))


def _by_length(records: Sequence[Record]) -> list[Record]:
    """The longest first."""
    return sorted(records, key=lambda row: -len(row.prompt or "") - len(row.completion))
