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
from store.records import Record, parse_record
from workers.features import compute_features
from workers.fingerprint import sketch_fingerprint
from workers.models import LoadedModel

CACHE = Path("~/.cache/evoselect/invariance").expanduser()
CHUNK = 64  # rows that are computed and stored at a time: what an interruption loses


class Features:
    """Features of records under one spec, each record's computed once."""

    def __init__(self, loaded: LoadedModel, spec: FeatureSpec, say: Callable[[str], None]) -> None:
        self._loaded, self._spec, self._say = loaded, spec, say
        self._folder = CACHE / sketch_fingerprint(loaded, spec)[:24]
        self._held: dict[str, npt.NDArray[np.float16]] = {}
        self.seconds = 0.0
        """That computing all rows asked for took, now or earlier."""

    @property
    def rows(self) -> int:
        """Different rows that were asked for."""
        return len(self._held)

    def __call__(self, records: Sequence[Record]) -> Tensor:
        """(n, blocks, block_dim) float32, in the order of the records."""
        missing = {
            row.content_hash: row
            for row in records
            if row.content_hash not in self._held and not self._path(row).exists()
        }
        ordered = sorted(missing.values(), key=lambda row: -_size(row))
        for start in range(0, len(ordered), CHUNK):
            self._compute(ordered[start : start + CHUNK])
            self._say(f"{min(start + CHUNK, len(ordered))} of {len(ordered)} rows")
        for row in records:
            if row.content_hash not in self._held:
                with np.load(self._path(row)) as file:
                    self._held[row.content_hash] = file["values"]
                    self.seconds += float(file["seconds"])
        values = np.stack([self._held[row.content_hash] for row in records])
        return torch.from_numpy(values.astype(np.float32))

    def _path(self, row: Record) -> Path:
        return self._folder / f"{row.content_hash}.npz"

    def _compute(self, rows: list[Record]) -> None:
        start = time.perf_counter()
        block = compute_features(rows, self._loaded, self._spec, progress=lambda done: None)
        if set(block.status) != {"ok"}:
            raise RuntimeError(f"rows without features: {set(block.status)}")
        seconds = (time.perf_counter() - start) / len(rows)
        self._folder.mkdir(parents=True, exist_ok=True)
        for row, values in zip(rows, block.values, strict=True):
            draft = self._path(row).with_suffix(f".{os.getpid()}")
            with draft.open("wb") as file:
                np.savez(file, values=values.astype(np.float16), seconds=seconds)
            draft.rename(self._path(row))


def _size(row: Record) -> int:
    return (
        len(row.prompt or "") + sum(len(turn["content"]) for turn in row.messages or ()) + len(row.completion)
    )


def in_chat(record: Record) -> Record:
    """The same record as a user's turn and the assistant's answer: the proxy's own template renders it."""
    turns = [{"role": "user", "content": record.prompt}]
    return parse_record({"id": record.id, "messages": turns, "completion": record.completion.strip()})
