"""The candidates as a selection sees them: shards that answer questions, and the merge of their answers.

Memory goes by what is asked for (k, targets, list lengths) and a few numbers a candidate; features are read
shard by shard.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.errors import InvalidInput
from evoselect.features import Matrix
from evoselect.neighbours.both_ways import Nearest, merged
from evoselect.neighbours.lists import Listed, best_of, least_of_best
from evoselect.neighbours.priced import Priced
from evoselect.pools.part import Part, Rows

Number = TypeVar("Number", np.int64, np.float64)
SCORE_UNIT = 2.0**-32  # scores are added up as whole numbers of it: the sum is that of any cut


@dataclass(frozen=True)
class Pool:
    """(N, d) unit rows in shards, whose rows follow each other."""

    parts: tuple[Part, ...]  # none of them empty
    numbers: Ints | None = None  # (N,) of the rows in the whole pool, of which they are some; None is all
    whole: int = 0  # rows of the whole pool, where they are some

    @classmethod
    def of(cls, candidates: "Tensor | Pool") -> "Pool":
        """One shard of all rows (N, d), or the pool as it is."""
        return candidates if isinstance(candidates, Pool) else cls((Rows(candidates),))

    @classmethod
    def in_shards(cls, parts: Sequence[Part]) -> "Pool":
        """Shards in the order of their rows; empty ones are left out.

        Raises InvalidInput where they do not fit together, or hold no row.
        """
        held = tuple(part for part in parts if part.shape[0])
        if not held:
            raise InvalidInput(f"none of the {len(parts)} shards has a usable row: add candidates")
        widths = sorted({part.shape[1] for part in held})
        kinds = sorted({str(part.dtype) for part in held})
        if len(widths) > 1 or len(kinds) > 1:
            raise InvalidInput(
                f"the shards have rows of {widths} numbers and of {kinds}: compute all with one specification"
            )
        return cls(held)

    @cached_property
    def starts(self) -> Ints:
        """(parts + 1,) first row of each part, and N."""
        return np.concatenate([[0], np.cumsum([part.shape[0] for part in self.parts])]).astype(np.int64)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, d)."""
        return int(self.starts[-1]), int(self.parts[0].shape[1])

    @property
    def device(self) -> torch.device:
        """Where answers lie."""
        return self.parts[0].device

    @property
    def matrix(self) -> Matrix:
        """All rows (N, d), for methods that read them; raises InvalidInput where they lie in shards."""
        part = self.parts[0]
        if len(self.parts) > 1 or not isinstance(part, Rows):
            raise InvalidInput(
                "this method reads the features of all candidates, and they lie in "
                f"{len(self.parts)} shards: use method capacity"
            )
        return part.matrix

    def check(self) -> None:
        """Raise InvalidInput unless every row is finite and of norm 1."""
        for part, first in zip(self.parts, self.starts, strict=False):
            part.check(int(first))

    def keys(self) -> Ints:
        """(N,) hashes of a few columns."""
        return self._of_each(lambda part: part.keys(), np.empty(self.shape[0], dtype=np.int64))

    def hashes(self, rows: Ints) -> Ints:
        """rows (r,) -> (r,) hashes of all their columns."""
        found = np.empty(len(rows), dtype=np.int64)
        for part, at, own in self._by_part(rows):
            found[at] = part.hashes(own)
        return found

    def gather(self, rows: Ints) -> Tensor:
        """rows (r,) in any order -> (r, d) float32."""
        if len(self.parts) == 1:
            return self.parts[0].gather(rows)
        found = torch.empty(len(rows), self.shape[1], device=self.device)
        for part, at, own in self._by_part(rows):
            read = part.gather(own).to(found.device)
            if at[-1] - at[0] + 1 == len(at):  # of ascending rows every part has a run
                found[at[0] : at[-1] + 1] = read
            else:
                found[torch.from_numpy(at).to(found.device)] = read
        return found

    @property
    def size(self) -> int:
        """Rows of the whole pool."""
        return self.whole or self.shape[0]

    def every(self, step: int) -> Ints:
        """(n,) rows whose numbers in the whole pool are 0, step, 2 step, ...; one at least.

        A shard knows these before anyone knows which rows are copies of others.
        """
        if self.numbers is None:
            return np.arange(0, self.shape[0], step)
        found = np.flatnonzero(self.numbers % step == 0)
        return found if len(found) else np.zeros(1, dtype=np.int64)

    def read(self, rows: Ints) -> Tensor:
        """rows (r,), ascending -> (r, d) of any floating dtype: a view where they are all of one shard."""
        part = self.parts[0]
        whole = len(rows) == self.shape[0] and len(self.parts) == 1
        return part.matrix[:] if whole and isinstance(part, Rows) else self.gather(rows)

    def nearest(self, targets: Tensor, count: int) -> tuple[Floats, Ints]:
        """targets (M, d), count <= N -> (M, count) cosines, best first, and their rows; ties by row.

        A part whose rows that are not listed could be among them is asked anew.
        """
        if len(self.parts) == 1 and isinstance(self.parts[0], Rows):
            return self.parts[0].nearest(targets, count)
        m = len(targets)
        found = [part.listed(targets, min(count, part.shape[0])) for part in self.parts]
        if any((part.rest > -np.inf).any() for part in found):
            least = least_of_best(found, m, count)
            for number, part in enumerate(self.parts):
                rest = found[number].rest
                if ((rest >= least) & (rest > -np.inf)).any():
                    found[number] = Listed.of(*part.nearest(targets, min(count, part.shape[0])))
        cosine = np.concatenate([part.cosine for part in found])
        rows = np.concatenate([part.row + start for part, start in zip(found, self.starts, strict=False)])
        target = np.concatenate([part.target for part in found])
        return best_of(cosine, rows, target, m=m, count=count)

    def edges_below(self, targets: Tensor, price: Floats, window: float) -> Priced:
        """targets (M, d), price (M,) -> edges that cost no more, within ``window`` of their row's best."""
        found = [part.edges_below(targets, price, window) for part in self.parts]
        if len(found) == 1:
            return found[0]
        before = np.concatenate([[0], np.cumsum([len(part.rows) for part in found])]).astype(np.int64)
        return Priced(
            np.concatenate([part.rows + start for part, start in zip(found, self.starts, strict=False)]),
            np.concatenate([part.place + start for part, start in zip(found, before, strict=False)]),
            np.concatenate([part.target for part in found]),
            np.concatenate([part.cost for part in found]),
            np.concatenate([part.best for part in found]),
        )

    def cheapest(self, targets: Tensor, g: Floats) -> Floats:
        """targets (M, d), g (M,) -> (N,) min_j (C_ij - g_j)."""
        return self._of_each(lambda part: part.cheapest(targets, g), np.empty(self.shape[0]))

    def scores(self, direction: Tensor) -> Floats:
        """direction (d,) -> (N,) inner products."""
        return self._of_each(lambda part: part.scores(direction), np.empty(self.shape[0]))

    def near(self, targets: Tensor) -> Nearest:
        """targets (M, d) -> each candidate's nearest of them, and the best candidate of each."""
        return merged([part.near(targets) for part in self.parts])

    def mean_score(self, direction: Tensor) -> float:
        """Mean inner product of a candidate with a direction (d,) of norm 1 or less."""
        total = sum(
            int(np.rint(part.scores(direction) / SCORE_UNIT).astype(np.int64).sum()) for part in self.parts
        )
        return total * SCORE_UNIT / self.shape[0]

    def among(self, rows: Ints) -> "Pool":
        """The pool of some rows (r,), ascending and at least one."""
        if len(rows) == self.shape[0]:
            return self
        numbers = rows if self.numbers is None else self.numbers[rows]
        parts = tuple(part.among(own) for part, _, own in self._by_part(rows))
        return Pool(parts, numbers, self.size)

    def _of_each(self, answer: Callable[[Part], NDArray[Number]], found: NDArray[Number]) -> NDArray[Number]:
        """``found`` (N,), filled with each part's answer, of which one is held at a time."""
        for part, start in zip(self.parts, self.starts, strict=False):
            found[start : start + part.shape[0]] = answer(part)
        return found

    def _by_part(self, rows: Ints) -> Iterator[tuple[Part, Ints, Ints]]:
        """Each part that holds some of the rows (r,), the places of those in ``rows``, their own numbers."""
        owner = np.searchsorted(self.starts, rows, side="right") - 1
        for number in np.unique(owner):
            at = np.flatnonzero(owner == number)
            yield self.parts[number], at, rows[at] - self.starts[number]
