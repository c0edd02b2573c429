"""How much may be chosen, and which rows are in whatever they cost (ours).

Rows are counted where each costs 1 of k; by tokens each costs as many as it has. Row i may carry at most
prices_i / total of the mass: the vertices of that are the sets that spend the whole budget.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from evoselect.arrays import Floats, Ints
from evoselect.errors import InvalidInput
from evoselect.groups.bounds import Bounds

TOLERANCE = 0.005  # of the total that may stay unspent before rows are swapped to spend more
MAX_SWAPS = 16
SWAPPED = 500  # taken and open rows that are looked at where groups have bounds


def _nothing() -> Ints:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Budget:
    """Prices of n rows, their total, and the rows that are always in. Use ``of_rows`` or ``of_tokens``."""

    prices: Ints  # (n,) >= 1
    total: int
    rows: float  # about how many rows the total buys; k where rows are counted
    pinned: Ints = field(default_factory=_nothing)  # (p,) positions, distinct
    bounds: Bounds | None = None  # of groups of the rows

    @classmethod
    def of_rows(cls, n: int, k: int, pinned: Sequence[int] = ()) -> "Budget":
        """k of n rows."""
        return cls(np.ones(n, dtype=np.int64), k, k, np.array(pinned, dtype=np.int64))

    @classmethod
    def of_tokens(cls, tokens: Ints, total: int, pinned: Sequence[int] = ()) -> "Budget":
        """Rows of ``tokens`` (n,) that have at most ``total`` together; each counts by its tokens."""
        if len(tokens) == 0 or tokens.min() < 1:
            raise InvalidInput("every row needs a number of tokens of at least 1: leave the others out")
        return cls(tokens, total, total / float(tokens.mean()), np.array(pinned, dtype=np.int64))

    @cached_property
    def counted(self) -> bool:
        """Whether every row costs 1."""
        return bool((self.prices == 1).all())

    @cached_property
    def caps(self) -> Floats:
        """(n,) the most mass that a row may carry, of 1."""
        return np.asarray(self.prices / self.total)

    @cached_property
    def free(self) -> np.ndarray:
        """(n,) whether a row may be left out."""
        free = np.ones(len(self.prices), dtype=bool)
        free[self.pinned] = False
        return free

    @property
    def simple(self) -> bool:
        """Whether any k rows will do."""
        return self.counted and not len(self.pinned) and self.bounds is None

    @property
    def uniform(self) -> bool:
        """Whether any open row may take the place of any that is not pinned."""
        return self.counted and self.bounds is None

    @property
    def count(self) -> int:
        """``rows`` as a whole number, at most n."""
        return min(len(self.prices), int(np.ceil(self.rows)))

    def among(self, rows: Ints) -> "Budget":
        """The same budget over ``rows`` (r,), ascending, which hold all that is pinned."""
        if len(rows) == len(self.prices):
            return self
        bounds = None if self.bounds is None else self.bounds.among(rows)
        pinned = np.searchsorted(rows, self.pinned)
        return replace(self, prices=self.prices[rows], pinned=pinned, bounds=bounds)

    def spent(self, chosen: Ints) -> int:
        """What ``chosen`` (c,) costs."""
        return int(self.prices[chosen].sum())

    def measure(self, chosen: Ints) -> Floats:
        """The masses of ``chosen`` (c,) -> (c,), sum 1."""
        price = self.prices[chosen]
        return np.asarray(price / price.sum())

    def least(self, spent: int) -> float:
        """What a set that takes the place of one of cost ``spent`` has to spend at least."""
        return min(float(spent), (1.0 - TOLERANCE) * self.total)

    def enough(self, order: Ints) -> int:
        """How many of ``order`` (n,) it takes to spend the total; all of them where that is too few."""
        reach = np.searchsorted(np.cumsum(self.prices[order]), self.total)
        return min(len(order), int(reach) + 1)

    def fill(self, order: Ints) -> Ints:
        """What is pinned, then rows of ``order`` (n,) as long as there is budget -> (c,).

        A row that is too dear for the rest is passed over, and the last ones are swapped where more than
        TOLERANCE would stay unspent.
        """
        order = order[self.free[order]]
        if self.bounds is not None:
            close = 0.0 if self.counted else TOLERANCE * self.total
            chosen = self.bounds.filled(
                self.prices, total=self.total, pinned=self.pinned, order=order, close=close
            )
            return chosen if self.counted else self._swap_within(self.bounds, order, chosen)
        left = self.total - self.spent(self.pinned)
        fitting = int(np.searchsorted(np.cumsum(self.prices[order]), left, side="right"))
        taken = order[:fitting].tolist()
        left -= self.spent(order[:fitting])
        if not self.counted:
            left = self._pass_over(order[fitting:], left, taken)
            self._swap_up(order, left, taken)
        return np.concatenate([self.pinned, np.array(taken, dtype=np.int64)])

    def _swap_within(self, bounds: Bounds, order: Ints, chosen: Ints) -> Ints:
        """The same within the bounds of groups, among the last taken and the next of ``order``."""
        for _ in range(MAX_SWAPS):
            left, loose = self.total - self.spent(chosen), np.arange(len(self.pinned), len(chosen))
            rest = order[~np.isin(order, chosen)][:SWAPPED]
            if left <= TOLERANCE * self.total or not len(loose) or not len(rest):
                break
            loose = loose[-SWAPPED:]
            own = chosen[loose]
            gain = self.prices[rest][None, :] - self.prices[own][:, None]
            gain = np.where(bounds.allowed(self.prices, chosen, own, rest) & (gain <= left), gain, 0)
            out, come = np.unravel_index(int(gain.argmax()), gain.shape)
            if gain[out, come] <= 0:
                break
            chosen[loose[out]] = rest[come]
        return chosen

    def _pass_over(self, order: Ints, left: int, taken: list[int]) -> int:
        """Append the rows of ``order`` that fit; what is left then."""
        for row in order[self.prices[order] <= left].tolist():
            if left <= TOLERANCE * self.total:
                break
            if (price := int(self.prices[row])) <= left:
                taken.append(row)
                left -= price
        return left

    def _swap_up(self, order: Ints, left: int, taken: list[int]) -> None:
        """Swap taken rows against dearer ones of ``order`` while that brings what is left near 0."""
        for _ in range(MAX_SWAPS):
            rest = order[~np.isin(order, taken)]
            if left <= TOLERANCE * self.total or not taken or not len(rest):
                return
            rest = rest[np.argsort(self.prices[rest], kind="stable")]
            own = self.prices[np.array(taken)]
            place = np.searchsorted(self.prices[rest], own + left, side="right") - 1
            gain = np.where(place >= 0, self.prices[rest[place]] - own, 0)
            best = len(gain) - 1 - int(np.argmax(gain[::-1]))  # of equal ones the last taken makes way
            if gain[best] <= 0:
                return
            taken[best] = int(rest[place[best]])
            left -= int(gain[best])
