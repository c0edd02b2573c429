"""How much of a budget each group of candidates has at least and at most."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evoselect.arrays import Ints
from evoselect.errors import InvalidInput


@dataclass(frozen=True)
class Bounds:
    """Of G groups of n candidates, in rows or tokens, as the budget counts."""

    names: tuple[str, ...]
    of: Ints  # (n,) group of each candidate
    least: Ints  # (G,)
    most: Ints  # (G,)

    def among(self, rows: Ints) -> "Bounds":
        """The same over the candidates ``rows`` (r,)."""
        return Bounds(self.names, self.of[rows], self.least, self.most)

    def spent(self, prices: Ints, chosen: Ints) -> Ints:
        """(G,) what ``chosen`` (c,) cost of each group; ``prices`` (n,) of all candidates."""
        found = np.bincount(self.of[chosen], prices[chosen], minlength=len(self.names))
        return np.asarray(found.astype(np.int64))

    def check(self, prices: Ints, total: int, pinned: Ints) -> None:
        """Refuse bounds that no set meets, with the numbers: ``prices`` (n,), ``pinned`` (p,)."""
        held, taken = self.spent(prices, np.arange(len(prices))), self.spent(prices, pinned)
        for number, name in enumerate(self.names):
            least, most = int(self.least[number]), int(self.most[number])
            if least > most:
                raise InvalidInput(f"group {name!r:.80}: the least is {least} and the most {most}: swap them")
            if held[number] < least:
                raise InvalidInput(
                    f"group {name!r:.80} has {held[number]} that can be selected, and the least is {least}: "
                    "lower it, or add candidates"
                )
            if taken[number] > most:
                raise InvalidInput(
                    f"group {name!r:.80}: {taken[number]} are pinned, and the most is {most}: pin fewer"
                )
        needed, room = int(self.least.sum()), int(np.minimum(held, self.most).sum())
        if needed > total or room < total:
            raise InvalidInput(
                f"the groups take {needed} at least and {room} at most, and the budget is {total}: "
                "change the bounds or the budget"
            )

    def filled(self, prices: Ints, *, total: int, pinned: Ints, order: Ints, close: float) -> Ints:
        """What is ``pinned`` (p,), then rows of ``order`` (n,), at ``prices`` (n,) -> (c,).

        Of each group until its least is spent, then of all within their most, until less than ``close`` is
        left. Raises InvalidInput where a group's least is missed.
        """
        spent = self.spent(prices, pinned)
        left = total - int(spent.sum())
        kept = np.zeros(len(order), dtype=bool)
        for reserved in (True, False):
            for place, row in enumerate(order.tolist()):
                if (spent >= self.least).all() if reserved else left <= close:
                    break
                group, price = self.of[row], int(prices[row])
                wanted = not reserved or spent[group] < self.least[group]
                if wanted and not kept[place] and price <= min(left, self.most[group] - spent[group]):
                    kept[place] = True
                    spent[group] += price
                    left -= price
        if (short := np.flatnonzero(spent < self.least)).size:
            name, least = self.names[short[0]], int(self.least[short[0]])
            raise InvalidInput(
                f"group {name!r:.80} got {spent[short[0]]} of at least {least}: its candidates do not fit "
                "into what is left of the budget: widen its bounds"
            )
        return np.concatenate([pinned, order[kept]])

    def allowed(self, prices: Ints, chosen: Ints, leaving: Ints, entering: Ints) -> np.ndarray:
        """(l, e) whether the swap of one of ``leaving`` (l,) for one of ``entering`` (e,) keeps the bounds.

        ``chosen`` (c,) is what is taken so far, ``prices`` (n,) are those of all candidates.
        """
        spent = self.spent(prices, chosen)
        out, come = self.of[leaving], self.of[entering]
        less = spent[out] - prices[leaving] >= self.least[out]
        more = spent[come] + prices[entering] <= self.most[come]
        inside = spent[out][:, None] - prices[leaving][:, None] + prices[entering][None, :]
        same = (inside >= self.least[out][:, None]) & (inside <= self.most[out][:, None])
        return np.asarray(np.where(out[:, None] == come[None, :], same, less[:, None] & more[None, :]))

    def report(self, prices: Ints, chosen: Ints) -> dict[str, dict[str, int]]:
        """What each group got of ``chosen`` (c,), at ``prices`` (n,), and its bounds."""
        columns = (self.spent(prices, chosen), self.least, self.most)
        return {
            name: {"got": int(got), "least": int(least), "most": int(most)}
            for name, got, least, most in zip(self.names, *columns, strict=True)
        }


def apportioned(shares: Mapping[str, float], names: tuple[str, ...], total: int) -> Ints:
    """(G,) whole parts of ``total`` by largest remainder, ties to the earlier name."""
    share = np.array([shares[name] for name in names])
    exact = share / share.sum() * total
    whole = np.floor(exact).astype(np.int64)
    order = np.lexsort((np.arange(len(names)), whole - exact))
    whole[order[: total - int(whole.sum())]] += 1
    return np.asarray(whole)
