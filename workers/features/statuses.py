"""A name for each of many rows, of which there are few: a byte a row."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import overload

import numpy as np
import numpy.typing as npt

from evoselect.arrays import Ints

Codes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
STEP = 2**16  # rows named at once


class Statuses(Sequence[str]):
    """The names of n rows, read like a list."""

    def __init__(self, codes: Codes, names: Sequence[str]) -> None:
        """``codes`` (n,): each row's place in ``names``, of which there are 256 at most."""
        self._codes, self._names = codes, list(names)

    @classmethod
    def of(cls, names: Iterable[str]) -> "Statuses":
        """From each row's name."""
        places: dict[str, int] = {}
        codes = np.fromiter((places.setdefault(name, len(places)) for name in names), dtype=np.uint8)
        return cls(codes, list(places))

    @classmethod
    def joined(cls, parts: Iterable["Statuses"]) -> "Statuses":
        """Of rows that follow each other."""
        held = list(parts)
        names = list(dict.fromkeys(chain.from_iterable(part.counts() for part in held)))
        return cls(np.concatenate([np.empty(0, np.uint8), *(part.codes(names) for part in held)]), names)

    def __len__(self) -> int:
        return len(self._codes)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> "Statuses": ...

    def __getitem__(self, index: int | slice) -> "str | Statuses":
        if isinstance(index, slice):
            return Statuses(self._codes[index], self._names)
        return self._names[int(self._codes[index])]

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), STEP):
            yield from (self._names[code] for code in self._codes[start : start + STEP].tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # rows are given other names

    def copy(self) -> "Statuses":
        """The same, to be given other names."""
        return Statuses(self._codes.copy(), self._names)

    def at(self, rows: Ints) -> "Statuses":
        """Those of ``rows`` (r,), in their order."""
        return Statuses(self._codes[rows], self._names)

    def are(self, name: str) -> Mask:
        """(n,) which rows have the name."""
        if name not in self._names:
            return np.zeros(len(self), dtype=bool)
        return np.asarray(self._codes == self._names.index(name))

    def rows(self, name: str) -> Ints:
        """(r,) the rows that have it, ascending."""
        return np.flatnonzero(self.are(name))

    def give(self, rows: Ints | Mask, name: str) -> None:
        """Have ``rows`` (r,), or those that a mask (n,) names, be called so."""
        if name not in self._names:
            self._names.append(name)
        self._codes[rows] = self._names.index(name)

    def counts(self) -> Counter[str]:
        """How many rows have each name, the first row's first."""
        codes, first, held = np.unique(self._codes, return_index=True, return_counts=True)
        return Counter({self._names[int(codes[at])]: int(held[at]) for at in np.argsort(first)})

    def codes(self, names: Sequence[str]) -> Codes:
        """(n,) each row's place in these names; raises ValueError where a row's is none of them."""
        places = np.zeros(len(self._names), dtype=np.uint8)
        for name in self.counts():
            places[self._names.index(name)] = names.index(name)
        return np.asarray(places[self._codes]) if self._names else np.empty(0, dtype=np.uint8)
