"""How alike two selections are. Pure: items in, numbers out.

Coverage of a target is the largest cosine among the selected items that serve it (items name the three
targets that they serve most). Rank correlation is Spearman's over the items that both selected.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import orjson

from service.selections.responses import Change, Coverage, Overlap, TargetChange

MOST_CHANGED = 10  # targets that are named


@dataclass(frozen=True, slots=True)
class Digest:
    """What a comparison needs of a selection's items."""

    ranks: dict[str, int] = field(default_factory=dict)
    """Content hash to rank, from 1."""
    coverage: dict[str, float] = field(default_factory=dict)
    """Target id to its coverage."""


def digest(groups: Iterable[list[str]]) -> Digest:
    """The digest of items given as JSON texts."""
    found = Digest()
    for texts in groups:
        for text in texts:
            item = orjson.loads(text)
            found.ranks[item.get("content_hash") or item["id"]] = item["rank"]
            for target in item.get("targets", ()):
                best = max(target["cosine"], found.coverage.get(target["id"], -1.0))
                found.coverage[target["id"]] = best
    return found


def overlap(first: Digest, second: Digest) -> Overlap:
    """How many contents both selected, and their share of each and of all."""
    shared = len(first.ranks.keys() & second.ranks.keys())
    sizes = [len(first.ranks), len(second.ranks)]
    return Overlap(
        shared=shared,
        only_first=sizes[0] - shared,
        only_second=sizes[1] - shared,
        jaccard=shared / max(1, sum(sizes) - shared),
    )


def rank_correlation(first: Digest, second: Digest) -> float | None:
    """Spearman's rho over the shared items, from -1 to 1; None where fewer than two are shared."""
    shared = sorted(first.ranks.keys() & second.ranks.keys())
    if len(shared) < 2:
        return None
    one, other = (np.argsort(np.argsort([side.ranks[name] for name in shared])) for side in (first, second))
    n = len(shared)
    return float(1.0 - 6.0 * np.square((one - other).astype(np.float64)).sum() / (float(n) * (n * n - 1.0)))


def coverage(first: Digest, second: Digest) -> Coverage:
    """Mean coverage over the targets that items of both serve, and the targets that changed most."""
    names = sorted(first.coverage.keys() & second.coverage.keys())
    changes = {name: second.coverage[name] - first.coverage[name] for name in names}
    most = sorted(names, key=lambda name: (-abs(changes[name]), name))[:MOST_CHANGED]
    means = [
        sum(side.coverage[name] for name in names) / len(names) if names else None for side in (first, second)
    ]
    return Coverage(
        targets=len(names),
        only_first=len(first.coverage.keys() - second.coverage.keys()),
        only_second=len(second.coverage.keys() - first.coverage.keys()),
        mean_cosine=change(*means),
        better=sum(value > 0 for value in changes.values()),
        worse=sum(value < 0 for value in changes.values()),
        most_changed=[
            TargetChange(
                target=name,
                first=first.coverage[name],
                second=second.coverage[name],
                change=changes[name],
            )
            for name in most
        ],
    )


def change(first: float | None, second: float | None) -> Change:
    """A number of both selections, and how much larger the second is."""
    difference = None if first is None or second is None else second - first
    return Change(first=first, second=second, change=difference)
