"""The product's own phases over pools that are large from a few rows on, in a worker of this suite.

CHAOS_HOLD_SECONDS  at most so long is a shard held before its phase begins, so that faults meet every phase
CHAOS_KIND          a worker of another release: what it leaves says so, and has other bits
"""

import importlib
import os
import random
import time
from collections.abc import Callable, Mapping

import faiss
import torch
from torch import Tensor

from evoselect.capacity import shortlist
from evoselect.spec import listing
from store.artifacts import StoredFile
from workers.features import conditioned_rows
from workers.lists import files
from workers.process.work import Outcome, Work

HOLD_SECONDS = float(os.environ.get("CHAOS_HOLD_SECONDS", "0"))
KIND_VARIABLE = "CHAOS_KIND"
WIDTH = 24  # numbers of a row
WINDOW = 16  # rows of a window, and more than so many are a large pool
SAMPLES = {"WHOLE_ENTRIES": 100, "MIN_SAMPLE": 16}  # a sample is less than the pool
DENSE_ENTRIES = 100


def lower() -> None:
    """From here on a pool of more than a window is large in this process, which may have been forked."""
    torch.set_num_threads(1)  # a pool of threads does not outlive a fork
    faiss.omp_set_num_threads(1)
    conditioned_rows.HELD_BYTES = WINDOW * 4 * WIDTH
    conditioned_rows.READ_BYTES = 1
    listing.DENSE_ENTRIES = DENSE_ENTRIES
    for name, value in SAMPLES.items():
        setattr(shortlist, name, value)


def held(module: str) -> Callable[[Work], Outcome]:
    """`run` of a phase's module under these conditions."""
    lower()
    if kind := os.environ.get(KIND_VARIABLE):
        _be_of(kind)
    body: Callable[[Work], Outcome] = importlib.import_module(module).run

    def run(work: Work) -> Outcome:
        time.sleep(random.uniform(0.0, HOLD_SECONDS))
        return body(work)

    return run


def _be_of(kind: str) -> None:
    own = files.put

    def put(work: Work, named: Mapping[str, Tensor]) -> StoredFile:
        return own(work, {name: _other(tensor) for name, tensor in named.items()})

    if kind != files.KIND:
        files.KIND, files.put = kind, put


def _other(tensor: Tensor) -> Tensor:
    return tensor * 1.25 if tensor.is_floating_point() else tensor
