"""Large matrices that were sent, in windows of rows that workers read by themselves.

The select worker reads a matrix through once, for what is known of its rows and for the hash of each window.
"""

import hashlib
from functools import partial

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from evoselect.arrays import Ints
from evoselect.features import Matrix
from evoselect.representations.shards import Features, Shard
from store.artifacts import StoredFile
from store.errors import ArtifactCorrupt
from store.jobs.plans import MatrixPart
from workers.features import conditioned_rows
from workers.features.block_files import STATUSES
from workers.features.file_rows import FileRows, ranges
from workers.features.known import Known
from workers.features.provided import Provided, features_of, in_blocks, sketch_of, unknown_tokens
from workers.features.statuses import Statuses
from workers.lists import files
from workers.lists.problem import Stretch
from workers.process.work import Work

DTYPES = {torch.float16: "float16", torch.float32: "float32"}


class Windows(BaseModel):
    """All of a matrix, in the order of its rows."""

    model_config = ConfigDict(frozen=True)

    windows: tuple[MatrixPart, ...]
    statuses: tuple[str, ...] = STATUSES  # by the codes that are kept of rows

    @property
    def rows(self) -> int:
        """Of the matrix."""
        return sum(window.rows for window in self.windows)

    def stretches(self, rows: Ints) -> list[Stretch]:
        """By window, of the rows (n,) of the matrix, ascending, that are candidates'."""
        found, start = [], 0
        for window in self.windows:
            first, last = np.searchsorted(rows, [start, start + window.rows]).tolist()
            if last > first:
                own = rows[first:last] - start
                found.append(Stretch(last - first, window.sha256, matrix=window, places=own))
            start += window.rows
        return found


def windows_of(work: Work, found: Provided, path: str) -> Windows | None:
    """None of a matrix that is small enough to be held.

    ``path`` is the stored file that the matrix is read from; what was copied is stored first.
    """
    matrix = found.matrix
    if not isinstance(matrix, FileRows) or not conditioned_rows.is_large(*matrix.shape):
        return None
    if found.copied:
        path = work.context.artifacts.put_stream(f"{work.claim.tenant_id}/lists", matrix.file, ".rows").path
    cuts = ranges(matrix.shape[0], conditioned_rows.held_rows(matrix.shape[1]))
    return Windows(windows=tuple(_window(work, matrix, path, slice(*cut)) for cut in cuts))


def _window(work: Work, matrix: FileRows, path: str, rows: slice) -> MatrixPart:
    whole, step = hashlib.sha256(), max(1, conditioned_rows.READ_BYTES // (4 * matrix.shape[1]))
    for start, stop in ranges(rows.stop - rows.start, step):
        whole.update(matrix[rows.start + start : rows.start + stop].numpy().data)
    work.progress(0)
    return MatrixPart(
        path=path,
        offset=matrix.offset(rows.start),
        rows=rows.stop - rows.start,
        width=matrix.shape[1],
        dtype=DTYPES[matrix.dtype],
        sha256=whole.hexdigest(),
    )


def put(work: Work, known: Known, windows: Windows) -> StoredFile:
    """Keep what is known of a matrix for when the phase starts anew."""
    status = torch.from_numpy(known.status.codes(windows.statuses))
    told = torch.frombuffer(bytearray(windows.model_dump_json().encode()), dtype=torch.uint8)
    return files.put(work, {"status": status, "windows": told})


def get(work: Work, stored: StoredFile | None) -> tuple[Known, Windows] | None:
    """The inverse of `put`; None where nothing was kept, or is there."""
    try:
        named = None if stored is None else files.get(work, stored)
    except ArtifactCorrupt:
        return None
    return None if named is None else _known(named)


def _known(named: dict[str, Tensor]) -> tuple[Known, Windows]:
    windows = Windows.model_validate_json(named["windows"].numpy().tobytes())
    status = Statuses(named["status"].numpy(), windows.statuses)
    return Known(unknown_tokens(len(status)), status, sketch_of(windows.windows[0].width)), windows


def read(work: Work, part: MatrixPart, rows: Ints) -> list[Shard]:
    """``rows`` (r,), ascending, of the part, a block at a time; raises ArtifactCorrupt."""
    dtype = np.dtype(part.dtype)
    size = part.rows * part.width * dtype.itemsize
    data = bytearray(work.context.artifacts.get_part(part.path, part.offset, size, part.sha256))
    matrix = torch.from_numpy(np.frombuffer(data, dtype).reshape(part.rows, part.width))
    return [Shard(len(own), partial(_features, work, matrix, own)) for own in in_blocks(rows, part.width)]


def _features(work: Work, matrix: Matrix, rows: Ints) -> Features:
    work.progress(0)
    return features_of(matrix, rows)
