"""A part of a pool that answers from what its shard left (ours).

A question that was not foreseen needs the shard's features again: then it is asked again, which is counted,
and the answer is as exact as the first.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.errors import InvalidInput
from evoselect.features import Matrix, gather
from evoselect.neighbours.both_ways import Nearest
from evoselect.neighbours.lists import Listed
from evoselect.neighbours.priced import Priced, Reached
from evoselect.pools.left import Left, Questions
from evoselect.pools.part import Part


@dataclass
class Store:
    """Rows of a shard that can be read by now, and how often it was asked again."""

    rows: Ints  # (r,) ascending, that it left
    values: Matrix  # (r, d)
    late: Ints  # (l,) ascending, that it was asked for since
    late_values: Tensor  # (l, d) of the same dtype
    asked: int = 0

    @classmethod
    def of(cls, left: Left) -> "Store":
        """What the shard left."""
        none = torch.empty(0, left.shape[1], dtype=left.values.dtype, device=left.values.device)
        return cls(left.rows, left.values, np.empty(0, dtype=np.int64), none)

    def missing(self, rows: Ints) -> Ints:
        """Those of ``rows`` (s,) that cannot be read -> (t,), ascending."""
        return np.unique(rows[~(_held(self.rows, rows) | _held(self.late, rows))])

    def add(self, rows: Ints, values: Tensor) -> None:
        """Keep rows (s,) that were missing: values (s, d)."""
        every = np.concatenate([self.late, rows])
        order = np.argsort(every)
        joined = torch.cat([self.late_values, values.to(self.late_values)])
        self.late, self.late_values = every[order], joined[torch.from_numpy(order)]

    def read(self, rows: Ints) -> Tensor:
        """rows (s,), none of them missing -> (s, d) float32."""
        left = _held(self.rows, rows)
        values = gather(self.values, torch.from_numpy(np.searchsorted(self.rows, rows[left])))
        if left.all():
            return values
        found = torch.empty(len(rows), values.shape[1], device=values.device)
        found[torch.from_numpy(left)] = values
        late = torch.from_numpy(np.searchsorted(self.late, rows[~left]))
        found[torch.from_numpy(~left)] = gather(self.late_values, late)
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
        return cls(left, questions, again, Store.of(left))

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
            self.store.add(missing, self._shard().gather(missing))
        return self.store.read(own)

    def nearest(self, targets: Tensor, count: int) -> tuple[Floats, Ints]:
        """targets (M, d) -> (M, count) from its features."""
        return self._among(self._shard()).nearest(targets, count)

    def listed(self, targets: Tensor, count: int) -> Listed:
        """targets (m, d) -> what lists that were asked for, and what is reached from prices, say of them."""
        for (goal, _), (cosine, rows) in zip(self.questions.lists, self.left.lists, strict=True):
            if _equal(goal, targets):
                rest = (
                    np.full(len(targets), -np.inf) if rows.shape[1] == self.left.shape[0] else cosine[:, -1]
                )
                return self._held(replace(Listed.of(cosine, rows), rest=rest)).enough(count)
        found = self._reached(targets)
        return Listed.unknown(len(targets)) if found is None else self._held(found).enough(count)

    def edges_below(self, targets: Tensor, price: Floats, window: float) -> Priced:
        """targets (M, d), price (M,): as they were left, where these prices were asked for."""
        asked, found = self.questions.below, self.left.below
        same = asked is not None and _equal(asked[0], targets) and asked[2] == window
        if asked is None or found is None or not same or not np.array_equal(asked[1], price):
            return self._among(self._shard()).edges_below(targets, price, window)
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

    def reached_and_near(self, targets: Tensor, most: Floats) -> tuple[Reached, Nearest]:
        """targets (M, d), most (M,) from its features."""
        return self._among(self._shard()).reached_and_near(targets, most)

    def among(self, rows: Ints) -> "Kept":
        """The same answers of rows (r,) alone."""
        if len(rows) == self.shape[0]:
            return self
        return Kept(self.left, self.questions, self.again, self.store, self._own(rows))

    def _reached(self, targets: Tensor) -> Listed | None:
        """What is reached by targets (m, d); None where one of them was not asked about."""
        asked, reach, reached = self.questions.below, self.questions.reach, self.left.reached
        place = None if asked is None else _places(asked[0], targets)
        if place is None or reach is None or reached is None:
            return None
        number = np.full(len(reach.most), -1)
        number[place] = np.arange(len(place))
        target = number[reached.target]
        own = target >= 0
        rest = np.nextafter(1.0 - reach.most[place], np.inf)  # above the cosine of every pair beyond
        return Listed(target[own], reached.row[own], reached.cosine[own], rest)

    def _own(self, rows: Ints) -> Ints:
        """Rows of this part as rows of the shard."""
        return rows if self.only is None else self.only[rows]

    def _shard(self) -> Part:
        """All rows of the shard, with their features."""
        self.store.asked += 1
        return self.again()

    def _among(self, shard: Part) -> Part:
        return shard if self.only is None else shard.among(self.only)

    def _held(self, found: Listed) -> Listed:
        """The pairs of this part's rows, numbered among these."""
        if self.only is None:
            return found
        place = np.searchsorted(self.only, found.row)
        kept = _held(self.only, found.row)
        return Listed(found.target[kept], place[kept], found.cosine[kept], found.rest)


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.cpu(), other.cpu())


def _places(every: Tensor, some: Tensor) -> Ints | None:
    """every (M, d), some (m, d) of its rows -> (m,) which ones; None where one of them is not there."""
    if every.shape[1:] != some.shape[1:]:
        return None
    known = defaultdict[bytes, list[int]](list)
    for number, row in enumerate(every.cpu().numpy()):
        known[row.tobytes()].append(number)
    found = []
    for row in some.cpu().numpy():
        if not (numbers := known[row.tobytes()]):
            return None
        found.append(numbers.pop(0))
    return np.array(found, dtype=np.int64)


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
