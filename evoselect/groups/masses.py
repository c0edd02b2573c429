"""How much each target counts: uniform, equal per group, by quota, or for the worst-served group."""

from collections.abc import Mapping, Sequence

import numpy as np

from evoselect.arrays import Floats, Ints
from evoselect.errors import InvalidInput


def group_numbers(groups: Sequence[str]) -> tuple[Ints, list[str]]:
    """(M,) number of each target's group and the group names, sorted."""
    names = sorted(set(groups))
    number = {name: place for place, name in enumerate(names)}
    return np.array([number[group] for group in groups], dtype=np.int64), names


def spread(shares: Floats, groups: Ints) -> Floats:
    """(M,) masses: each group's share, normalised, in equal parts on its targets.

    shares (G,) > 0, groups (M,) numbers from 0, each used.
    """
    counts = np.bincount(groups, minlength=len(shares))
    return np.asarray((shares / shares.sum() / counts)[groups])


def foreseen_masses(groups: Sequence[str] | None, count: int, quotas: Mapping[str, float] | None) -> Floats:
    """(M,) masses of ``count`` targets before anything is known of the candidates.

    The same as in the end, unless the shares go by how well each group is served.
    """
    if groups is None:
        return np.full(count, 1.0 / count)
    numbers, names = group_numbers(groups)
    shares = np.full(len(names), 1.0 / len(names)) if quotas is None else quota_shares(quotas, names)
    return spread(shares, numbers)


def quota_shares(quotas: Mapping[str, float], names: Sequence[str]) -> Floats:
    """(G,) quotas in the order of the groups, as shares of 1.

    Raises InvalidInput unless each group has a quota and each quota a group.
    """
    if set(quotas) != set(names):
        raise InvalidInput(
            f"quotas name the groups {sorted(quotas)} and the targets have {list(names)}: name the same"
        )
    values = np.array([quotas[name] for name in names])
    return np.asarray(values / values.sum())
