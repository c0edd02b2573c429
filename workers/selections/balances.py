"""The groups of candidates that share a selection's budget, and what each has at least and at most."""

from collections.abc import Sequence

import numpy as np

from evoselect.groups.bounds import Bounds, apportioned
from evoselect.spec.balance import EXTRA, Balance
from store.errors import Invalid
from store.records.record import Record

SLACK = 0.02  # of a share of tokens: whole candidates seldom add up to it
MOST_SHOWN = 10  # names in a message


def bounds_of(balance: Balance, candidates: Sequence[Record], total: int, *, counted: bool) -> Bounds:
    """Over the usable ``candidates``; ``total`` rows, or tokens unless ``counted``.

    Raises Invalid for names that no candidate has, and for candidates without one where shares are given.
    """
    values = [_group(record, balance.by) for record in candidates]
    names = sorted({value for value in values if value is not None})
    named = set(balance.shares or ()) | set(balance.min) | set(balance.max)
    unknown = sorted(name for name in named - set(names) if balance.min.get(name, 1) > 0)
    if unknown:
        raise Invalid(
            f"no candidate that can be selected has {balance.by:.80} {unknown[0]!r:.80}; there are "
            f"{_listed(names)}",
            code="unknown_group",
        )
    every = (*names, "")  # the last stands for candidates without a group
    number = {name: place for place, name in enumerate(names)}
    of = np.array([len(names) if value is None else number[value] for value in values], dtype=np.int64)
    least, most = np.zeros(len(every), dtype=np.int64), np.full(len(every), total, dtype=np.int64)
    if balance.shares is None:
        for bound, given in ((least, balance.min), (most, balance.max)):
            for name, value in given.items():
                if name in number:
                    bound[number[name]] = value
        return Bounds(every, of, least, most)
    _require_named(balance, names, values, candidates)
    most[-1] = 0
    most[:-1] = apportioned(balance.shares, tuple(names), total)
    least[:-1] = most[:-1] if counted else np.floor((1.0 - SLACK) * most[:-1])
    return Bounds(every, of, least, most)


def _group(record: Record, by: str) -> str | None:
    """The name of its group; numbers and truth values as JSON writes them."""
    value = record.group if by == "group" else (record.extra or {}).get(by.removeprefix(EXTRA))
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    raise Invalid(
        f"{by:.80} of candidate {record.id:.80} is {value!r:.40}: groups are named by texts or numbers",
        code="unknown_group",
    )


def _require_named(
    balance: Balance, names: Sequence[str], values: Sequence[str | None], candidates: Sequence[Record]
) -> None:
    if None in values:
        first = candidates[values.index(None)].id
        raise Invalid(
            f"shares are given, and {values.count(None)} of {len(values)} candidates have no "
            f"{balance.by:.80}, the first is {first:.80}: give each one, or use min and max",
            code="unknown_group",
        )
    if missing := sorted(set(names) - set(balance.shares or ())):
        raise Invalid(
            f"shares name no {missing[0]!r:.80}, which candidates have as {balance.by:.80}: name all of "
            f"{_listed(names)}",
            code="unknown_group",
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"{name!r:.80}" for name in names[:MOST_SHOWN])
    return shown + (f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else "") or "none"
