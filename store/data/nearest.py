"""The rows of an index as the API reads them: the nearest to a direction, a few megabytes at a time.

A part's file holds, one behind the other and little-endian, its cells' bounds (cells + 1,) int64 among its
usable rows, their places (usable,) int32 among its rows, the status of each row (rows,) uint8, and the
usable rows (usable, width) float16 of norm 1, cell by cell. An index without cells has a single one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np
import numpy.typing as npt

from store.artifacts import Artifacts
from store.data.pool_indexes import IndexFiles, Part

BLOCK_BYTES = 4 * 2**20  # of float16 rows that are read at once
# Norms of float16 rows lie within 0.001 of 1; a float32 sum of d products within 2 (d + 4) 2^-24 of another.
NORMS = 2.1e-3
DECIMALS = 9  # in which cosines are told apart: equal rows are ordered by their number

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Nearest:
    """Rows of the pool, from 0, the nearest first, ties by number."""

    numbers: Ints  # (n,)
    cosines: Floats  # (n,)


@dataclass(frozen=True, slots=True)
class Held:
    """One row of the pool as the index has it."""

    status: str
    direction: Floats | None  # (width,) of norm 1; None unless the status is ok


def row(artifacts: Artifacts, files: IndexFiles, number: int) -> Held:
    """The row of that number; raises IndexError where the index ends before it."""
    part = next((part for part in files.parts if part.first <= number < part.first + part.rows), None)
    if part is None:
        raise IndexError(f"row {number} of {files.rows}")
    with artifacts.open(part.file.path) as stream:
        opened = _Opened.of(stream, part, files)
        status = files.statuses[opened.status(number - part.first)]
        at = np.flatnonzero(opened.places == number - part.first)
        if not len(at):
            return Held(status, None)
        return Held(status, _unit(opened.rows(int(at[0]), int(at[0]) + 1)[0]))


def nearest(
    artifacts: Artifacts, files: IndexFiles, direction: Floats, count: int, *, without: int | None = None
) -> Nearest:
    """The `count` rows of largest cosine with a direction (width,) of norm 1, but for the row `without`.

    Where the index has cells only those near the direction are looked into.
    """
    cells = _probed(artifacts, files, direction)
    found = _Best(direction, count, NORMS + 2 * (files.width + 4) * 2.0**-24)
    for part in files.parts:
        if not part.usable:
            continue
        with artifacts.open(part.file.path) as stream:
            opened = _Opened.of(stream, part, files)
            for start, stop in opened.blocks(cells):
                numbers = opened.places[start:stop].astype(np.int64) + part.first
                found.look(opened.rows(start, stop), numbers, without)
    return Nearest(found.numbers, found.cosines)


def copies(artifacts: Artifacts, files: IndexFiles) -> npt.NDArray[np.int32] | None:
    """(rows,) the cluster of near-copies of each row, -1 without; None where nobody looked."""
    if files.copies is None:
        return None
    with artifacts.open(files.copies.path) as stream:
        return np.frombuffer(stream.read(), "<i4")


def part_bytes(
    bounds: Ints, places: npt.NDArray[np.int32], status: npt.NDArray[np.uint8], rows: npt.NDArray[np.float16]
) -> bytes:
    """A part's file: bounds (cells + 1,), places (usable,), status (r,), rows (usable, width)."""
    return b"".join(
        (
            bounds.astype("<i8").tobytes(),
            places.astype("<i4").tobytes(),
            status.tobytes(),
            rows.astype("<f2").tobytes(),
        )
    )


def statuses(stream: IO[bytes], part: Part, files: IndexFiles) -> npt.NDArray[np.uint8]:
    """(rows,) the place of each row's status among those of the index."""
    stream.seek(8 * (files.cells + 1) + 4 * part.usable)
    return np.frombuffer(stream.read(part.rows), np.uint8)


def in_order(stream: IO[bytes], part: Part, files: IndexFiles) -> npt.NDArray[np.float16]:
    """(usable, width) features of a part in the order of its rows."""
    opened = _Opened.of(stream, part, files)
    return opened.halves(0, part.usable)[np.argsort(opened.places, kind="stable")]


@dataclass(frozen=True, slots=True)
class _Opened:
    stream: IO[bytes]
    width: int
    bounds: Ints
    places: npt.NDArray[np.int32]
    start: int  # bytes before the features
    held: int  # rows

    @classmethod
    def of(cls, stream: IO[bytes], part: Part, files: IndexFiles) -> "_Opened":
        stream.seek(0)
        bounds = np.frombuffer(stream.read(8 * (files.cells + 1)), "<i8").astype(np.int64)
        places = np.frombuffer(stream.read(4 * part.usable), "<i4")
        return cls(stream, files.width, bounds, places, stream.tell() + part.rows, part.rows)

    def status(self, place: int) -> int:
        self.stream.seek(self.start - self.held + place)
        return self.stream.read(1)[0]

    def halves(self, start: int, stop: int) -> npt.NDArray[np.float16]:
        self.stream.seek(self.start + 2 * self.width * start)
        data = self.stream.read(2 * self.width * (stop - start))
        return np.frombuffer(data, "<f2").reshape(-1, self.width)

    def rows(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        return self.halves(start, stop).astype(np.float32)

    def blocks(self, cells: Ints) -> Iterator[tuple[int, int]]:
        step = max(1, BLOCK_BYTES // (2 * self.width))
        for cell in cells.tolist():
            first, last = int(self.bounds[cell]), int(self.bounds[cell + 1])
            yield from ((start, min(start + step, last)) for start in range(first, last, step))


class _Best:
    """The nearest rows so far: float32 products find what may be among them, exact cosines decide."""

    def __init__(self, direction: Floats, count: int, margin: float) -> None:
        self._direction, self._coarse = direction, direction.astype(np.float32)
        self._count, self._margin = count, margin
        self.numbers: Ints = np.empty(0, np.int64)
        self.cosines: Floats = np.empty(0)

    def look(self, rows: npt.NDArray[np.float32], numbers: Ints, without: int | None) -> None:
        coarse = rows @ self._coarse
        if without is not None:
            coarse[numbers == without] = -np.inf
        least = self.cosines[-1] if len(self.cosines) == self._count else -np.inf
        if len(coarse) > self._count:
            least = max(least, np.partition(coarse, -self._count)[-self._count])
        kept = np.flatnonzero((coarse >= least - self._margin) & (coarse > -np.inf))
        exact = _cosines(rows[kept], self._direction)
        cosines = np.concatenate([self.cosines, exact])
        own = np.concatenate([self.numbers, numbers[kept]])
        order = np.lexsort((own, -np.round(cosines, DECIMALS)))[: self._count]
        self.numbers, self.cosines = own[order], cosines[order]


def _cosines(rows: npt.NDArray[np.float32], direction: Floats) -> Floats:
    whole = rows.astype(np.float64)
    return np.asarray((whole @ direction) / np.linalg.norm(whole, axis=1))


def _unit(values: npt.NDArray[np.float32]) -> Floats:
    whole = values.astype(np.float64)
    return np.asarray(whole / np.linalg.norm(whole))


def _probed(artifacts: Artifacts, files: IndexFiles, direction: Floats) -> Ints:
    """The cells that a search looks into, ascending."""
    if files.centroids is None:
        return np.zeros(1, np.int64)
    with artifacts.open(files.centroids.path) as stream:
        centroids = np.frombuffer(stream.read(), "<f4").reshape(files.cells, files.width)
    near = centroids @ direction.astype(np.float32)
    return np.sort(np.argsort(-near, kind="stable")[: files.probes])
