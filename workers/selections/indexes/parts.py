"""The parts of an index: unit rows in half precision, cell by cell, a file for some rows of the pool each."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from evoselect.arrays import Ints
from evoselect.neighbours import cells
from evoselect.representations.shards import Fitted
from store.data import nearest
from store.data.pool_indexes import IndexFiles, Part
from workers.features.block_files import STATUSES
from workers.features.known import grouped, together
from workers.features.statuses import Statuses
from workers.process.work import Work
from workers.selections.indexes.sources import Rows

PART_BYTES = 64 * 2**20  # of the rows of a part
READ_BYTES = 16 * 2**20  # of float32 rows that are conditioned at once
LIKE_THE_MEAN = "like_the_mean"  # of a row of which centring leaves nothing
NAMES = (*STATUSES, LIKE_THE_MEAN)


@dataclass(frozen=True)
class Layout:
    """How the rows of an index are conditioned and lie."""

    fitted: Fitted
    centroids: Tensor | None  # (cells, width)

    @property
    def cells(self) -> int:
        """How many."""
        return 1 if self.centroids is None else len(self.centroids)

    @property
    def part_rows(self) -> int:
        """Of the pool, in a part: the same of every version."""
        return max(1, PART_BYTES // (2 * self.fitted.width))


@dataclass(frozen=True)
class Held:
    """Some rows of the pool."""

    status: npt.NDArray[np.uint8]  # (r,) places among NAMES
    values: npt.NDArray[np.float16]  # (u, width) of those that are ok, in their order


def written(work: Work, rows: Rows, layout: Layout, watch: cells.Watch | None) -> list[Part]:
    """All parts: those that the base has whole are its own; the others are stored."""
    found: list[Part] = []
    for first in range(0, rows.count, layout.part_rows):
        stop = min(first + layout.part_rows, rows.count)
        old = _old(rows, len(found))
        if old is not None and old.rows == stop - first:
            found.append(old)
        else:
            held = _held(work, rows, layout, old=old, stop=stop)
            found.append(_stored(work, layout, first, held, watch=watch))
        work.progress(stop)
    return found


def _old(rows: Rows, place: int) -> Part | None:
    """The part of the base that begins where this one does."""
    parts = () if rows.base is None else rows.base.parts
    return parts[place] if place < len(parts) else None


def _held(work: Work, rows: Rows, layout: Layout, *, old: Part | None, stop: int) -> Held:
    """The rows of a part: of the base's part, and new ones up to row ``stop`` of the pool."""
    start = stop - (stop - 1) % layout.part_rows - 1
    new = conditioned(rows, layout.fitted, max(start, rows.first), stop)
    if old is None or rows.base is None:
        return new
    with work.context.artifacts.open(old.file.path) as stream:
        values = nearest.in_order(stream, old, rows.base)
        status = nearest.statuses(stream, old, rows.base)
    return Held(np.concatenate([status, new.status]), np.concatenate([values, new.values]))


def conditioned(rows: Rows, fitted: Fitted, start: int, stop: int) -> Held:
    """The new rows ``start`` to ``stop`` of the pool."""
    status = Statuses.of([]) if rows.known is None else rows.known.status
    codes = status[start - rows.first : stop - rows.first].codes(NAMES)
    usable = rows.usable(start, stop)
    values = unit_rows(rows, fitted, usable)
    alike = fitted.alike(values).numpy()
    codes[np.asarray(usable, dtype=np.int64)[alike] - (start - rows.first)] = NAMES.index(LIKE_THE_MEAN)
    return Held(codes, np.delete(values.numpy(), alike, axis=0))


def unit_rows(rows: Rows, fitted: Fitted, usable: list[int]) -> Tensor:
    """(u, width) float16 rows of norm 1 of the new rows ``usable``, ascending."""
    found, done = torch.empty(len(usable), fitted.width, dtype=torch.float16), 0
    for group in grouped(rows.shards_of(usable), max(1, READ_BYTES // (4 * fitted.width))):
        features = together(group)
        fitted.apply(features, found[done : done + len(features.values)])
        done += len(features.values)
    return found


def _stored(work: Work, layout: Layout, first: int, held: Held, *, watch: cells.Watch | None) -> Part:
    places = np.flatnonzero(held.status == NAMES.index("ok"))
    values = torch.from_numpy(held.values)
    own = _cells(values, layout)
    if watch is not None:
        watch.look(values, places + first, own)
    order = np.lexsort((places, own))
    bounds = np.searchsorted(own[order], np.arange(layout.cells + 1))
    data = nearest.part_bytes(bounds, places[order].astype(np.int32), held.status, held.values[order])
    stored = work.context.artifacts.put_bytes(f"{work.claim.tenant_id}/indexes", data, ".rows")
    file = stored.reference(size=stored.size)
    return Part(first=first, rows=len(held.status), usable=len(places), file=file)


def _cells(values: Tensor, layout: Layout) -> Ints:
    if layout.centroids is None:
        return np.zeros(len(values), np.int64)
    return cells.cell_of(values, layout.centroids)


def left_out(work: Work, files: IndexFiles) -> dict[str, int]:
    """Rows without features by reason."""
    counts = np.zeros(len(files.statuses), dtype=np.int64)
    for part in files.parts:
        with work.context.artifacts.open(part.file.path) as stream:
            counts += np.bincount(nearest.statuses(stream, part, files), minlength=len(counts))
    named = dict(zip(files.statuses, counts.tolist(), strict=True))
    return {name: count for name, count in named.items() if count and name != "ok"}
