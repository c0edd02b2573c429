"""Bounds of groups: what no set meets is refused with the numbers, and what is filled keeps them."""

import numpy as np
import pytest

from evoselect.arrays import Ints
from evoselect.errors import InvalidInput
from evoselect.groups.bounds import Bounds, apportioned

ONES: Ints = np.ones(6, dtype=np.int64)
NONE: Ints = np.array([], dtype=np.int64)


def bounds(least: tuple[int, int], most: tuple[int, int]) -> Bounds:
    """Four candidates of a, two of b."""
    return Bounds(("a", "b"), np.array([0, 0, 0, 0, 1, 1]), np.array(least), np.array(most))


@pytest.mark.parametrize(
    ("least", "most", "pinned", "said"),
    [
        ((3, 0), (2, 2), [], "the least is 3 and the most 2: swap them"),
        ((0, 3), (4, 3), [], "'b' has 2 that can be selected, and the least is 3"),
        ((0, 0), (1, 2), [0, 1], "2 are pinned, and the most is 1"),
        ((4, 2), (4, 2), [], "take 6 at least and 6 at most, and the budget is 3"),
        ((0, 0), (1, 1), [], "take 0 at least and 2 at most, and the budget is 3"),
    ],
)
def test_what_no_set_meets_is_refused(
    least: tuple[int, int], most: tuple[int, int], pinned: list[int], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        bounds(least, most).check(ONES, 3, np.array(pinned, dtype=np.int64))


def test_filling_reserves_the_least_of_each_group() -> None:
    own = bounds((0, 1), (4, 2))
    chosen = own.filled(ONES, total=3, pinned=NONE, order=np.arange(6), close=0)
    assert sorted(chosen.tolist()) == [0, 1, 4]
    assert own.report(ONES, chosen)["b"] == {"got": 1, "least": 1, "most": 2}


def test_swaps_within_a_group_count_once() -> None:
    own = bounds((2, 1), (2, 1))
    allowed = own.allowed(ONES, np.array([0, 1, 4]), np.array([0, 4]), np.array([2, 5]))
    assert allowed.tolist() == [[True, False], [False, True]]


def test_shares_become_whole_parts() -> None:
    assert apportioned({"a": 1.0, "b": 1.0}, ("a", "b"), 3).tolist() == [2, 1]
    assert apportioned({"a": 9.0, "b": 1.0}, ("a", "b"), 10).tolist() == [9, 1]
