"""Large matrices that were sent, in windows of rows that workers read by themselves."""

import hashlib
from functools import partial

import numpy as np
import torch

from evoselect.arrays import Ints
from evoselect.features import Matrix
from evoselect.representations.shards import Features, Shard
from store.jobs.plans import MatrixPart
from workers.features import conditioned_rows
from workers.features.file_rows import FileRows, ranges
from workers.features.provided import Provided, features_of, in_blocks
from workers.lists.problem import Stretch
from workers.process.work import Work

DTYPES = {torch.float16: "float16", torch.float32: "float32"}


def stretches(work: Work, found: Provided, path: str) -> list[Stretch]:
    """The rows of a matrix by window; none where they are few enough to be held.

    ``path`` is the stored file that the matrix is read from; what was copied is stored first.
    """
    matrix = found.matrix
    if not isinstance(matrix, FileRows) or not conditioned_rows.is_large(*matrix.shape):
        return []
    if found.copied:
        path = work.context.artifacts.put_stream(f"{work.claim.tenant_id}/lists", matrix.file, ".rows").path
    parts = []
    for start, stop in ranges(matrix.shape[0], conditioned_rows.held_rows(matrix.shape[1])):
        first, last = np.searchsorted(found.rows, [start, stop]).tolist()
        if last > first:
            window = _window(work, matrix, path, slice(start, stop))
            own = found.rows[first:last] - start
            parts.append(Stretch(last - first, window.sha256, matrix=window, places=own))
    return parts


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
