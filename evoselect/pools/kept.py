"""A part of a pool that answers from what its shard left (ours).

A question that was not foreseen needs the shard's features again: then it is asked again, which is counted,
and the answer is as exact as the first.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.errors import InvalidInput
from evoselect.features import Matrix, gather
from evoselect.neighbours.both_ways import Nearest
from evoselect.neighbours.priced import Priced
from evoselect.pools.left import Left, Questions
from evoselect.pools.part import Part


@dataclass
class Store:
    """Rows of a shard that can be read by now, and how often it was asked again.

    Of those asked for since, numbers alone are kept: an answer can name most of a shard.
    """

    rows: Ints  # (r,) ascending, that it left
    values: Matrix  # (r, d)
    asked: int = 0
    late: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # (l,) ascending, asked for since
    shard: Part | None = None  # where they are read

    def missing(self, rows: Ints) -> Ints:
        """Those of ``rows`` (s,) that cannot be read -> (t,), ascending."""
        return np.unique(rows[~(_held(self.rows, rows) | _held(self.late, rows))])

    def add(self, rows: Ints, shard: Part) -> None:
        """Have rows (s,) that were missing read from the ``shard`` from now on."""
        self.late, self.shard = np.union1d(self.late, rows), shard

    def read(self, rows: Ints) -> Tensor:
        """rows (s,), none of them missing -> (s, d) float32."""
        left = _held(self.rows, rows)
        values = gather(self.values, torch.from_numpy(np.searchsorted(self.rows, rows[left])))
        if self.shard is None or left.all():
            return values
        found = torch.empty(len(rows), values.shape[1], device=values.device)
        found[torch.from_numpy(left)] = values
        found[torch.from_numpy(~left)] = self.shard.gather(rows[~left]).to(values.device)
        return found


def _held(ascending: Ints, rows: Ints) -> NDArray[np.bool_]:
    """ascending (n,), rows (s,) -> (s,) whether each is among them."""
    place = np.searchsorted(ascending, rows)
    inside = place < len(ascending)
    inside[inside] = ascending[place[inside]] == rows[inside]
    return inside


@dataclass(frozen=True)
class Kept:
    """A part that answers from what its shard left; ``again`` brings the shard's features back."""

    left: Left
    questions: Questions
    again: Callable[[], Part]
    store: Store
    only: Ints | None = None  # (n,) rows of the shard that this part has; None is all

    @classmethod
    def of(cls, left: Left, questions: Questions, again: Callable[[], Part]) -> "Kept":
        """All rows of a shard, of which ``left`` has its answers to ``questions``."""
        return cls(left, questions, again, Store(left.rows, left.values))

    @property
    def shape(self) -> torch.Size:
        """(n, d)."""
        n, d = self.left.shape
        return torch.Size((n if self.only is None else len(self.only), d))

    @property
    def dtype(self) -> torch.dtype:
        """Of the shard's rows."""
        return self.left.values.dtype

    @property
    def device(self) -> torch.device:
        """Of the kept rows."""
        return self.left.values.device

    def check(self, first: int) -> None:
        """The kept rows; a shard checks all of its own before it answers."""
        norms = torch.linalg.vector_norm(self.left.values[:].float(), dim=1)
        if not bool(torch.isfinite(norms).all()):
            raise InvalidInput(f"a shard from row {first} on left rows that are not finite: run it again")

    def keys(self) -> Ints:
        """(n,) hashes of all columns, as they were left."""
        return self.left.hashes if self.only is None else self.left.hashes[self.only]

    def hashes(self, rows: Ints) -> Ints:
        """rows (r,) -> (r,) as they were left."""
        return self.left.hashes[self._own(rows)]

    def gather(self, rows: Ints) -> Tensor:
        """rows (r,) -> (r, d) from what is here; the others are asked for once."""
        own = self._own(rows)
        missing = self.store.missing(own)
        if len(missing):
            self.store.add(missing, self._shard())
        return self.store.read(own)

    def nearest(self, targets: Tensor, count: int) -> tuple[Floats, Ints]:
        """targets (M, d) -> (M, count) from a list that was asked for.

        Where enough of it is among this part's rows.
        """
        for (goal, length), found in zip(self.questions.lists, self.left.lists, strict=True):
            if _equal(goal, targets) and count <= length:
                listed = self._listed(*found, count)
                if listed is not None:
                    return listed
        shard = self._shard()
        found = self._among(shard).nearest(targets, count)
        self._remember(shard, found[1])
        return found

    def edges_below(self, targets: Tensor, price: Floats, window: float) -> Priced:
        """targets (M, d), price (M,): as they were left, where these prices were asked for."""
        asked, found = self.questions.below, self.left.below
        same = asked is not None and _equal(asked[0], targets) and asked[2] == window
        if asked is None or found is None or not same or not np.array_equal(asked[1], price):
            shard = self._shard()
            found = self._among(shard).edges_below(targets, price, window)
            self._remember(shard, found.rows)
            return found
        return found if self.only is None else _of_some(found, self.only)

    def cheapest(self, targets: Tensor, g: Floats) -> Floats:
        """targets (M, d), g (M,) -> (n,) asked again: prices are known late."""
        return self._among(self._shard()).cheapest(targets, g)

    def scores(self, direction: Tensor) -> Floats:
        """direction (d,) -> (n,) as they were left, where this direction was asked for."""
        for asked, found in zip(self.questions.directions, self.left.scores, strict=True):
            if _equal(asked, direction):
                own = found if self.only is None else found[torch.from_numpy(self.only)]
                return np.asarray(own.double().numpy())
        return self._among(self._shard()).scores(direction)

    def near(self, targets: Tensor) -> Nearest:
        """targets (M, d): as it was left, where these were asked for of all rows."""
        asked, found = self.questions.near, self.left.near
        if self.only is None and asked is not None and found is not None and _equal(asked, targets):
            target, cosine, best = found
            return Nearest(target.numpy(), cosine.numpy(), best.double().numpy())
        return self._among(self._shard()).near(targets)

    def edges_and_near(self, targets: Tensor, price: Floats, window: float) -> tuple[Priced, Nearest]:
        """targets (M, d), price (M,): as each was left."""
        return self.edges_below(targets, price, window), self.near(targets)

    def among(self, rows: Ints) -> "Kept":
        """The same answers of rows (r,) alone."""
        if len(rows) == self.shape[0]:
            return self
        return Kept(self.left, self.questions, self.again, self.store, self._own(rows))

    def _own(self, rows: Ints) -> Ints:
        """Rows of this part as rows of the shard."""
        return rows if self.only is None else self.only[rows]

    def _shard(self) -> Part:
        """All rows of the shard, with their features."""
        self.store.asked += 1
        return self.again()

    def _among(self, shard: Part) -> Part:
        return shard if self.only is None else shard.among(self.only)

    def _remember(self, shard: Part, rows: Ints) -> None:
        """The rows that an answer names will be read."""
        missing = self.store.missing(self._own(rows))
        if len(missing):
            self.store.add(missing, shard)

    def _listed(self, cosine: Floats, rows: Ints, count: int) -> tuple[Floats, Ints] | None:
        """The first ``count`` of each list among this part's rows; None where a list has too few."""
        if self.only is None:
            return (cosine[:, :count], rows[:, :count]) if cosine.shape[1] >= count else None
        held = np.isin(rows, self.only)
        if len(held) and held.sum(axis=1).min() < count:
            return None
        order = np.argsort(~held, axis=1, kind="stable")[:, :count]
        kept = np.take_along_axis(rows, order, axis=1)
        return np.take_along_axis(cosine, order, axis=1), np.searchsorted(self.only, kept)


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.cpu(), other.cpu())


def _of_some(found: Priced, only: Ints) -> Priced:
    """The edges of some rows, numbered among these."""
    held = np.isin(found.rows, only)
    kept = held[found.place]
    return Priced(
        np.searchsorted(only, found.rows[held]),
        (np.cumsum(held) - 1)[found.place[kept]],
        found.target[kept],
        found.cost[kept],
        found.best[held],
    )
