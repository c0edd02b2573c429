"""Whole repeats by largest remainder."""

import numpy as np
import pytest

from evoselect.errors import InvalidInput
from evoselect.repeats import apportion


@pytest.mark.parametrize(
    ("weights", "budget", "repeats"),
    [
        ([1.0, 2.0, 3.0], None, [1, 1, 1]),
        ([1.0, 2.0, 3.0], 3, [1, 1, 1]),
        ([1.0, 2.0, 3.0], 6, [1, 2, 3]),
        ([1.0, 1.0], 3, [2, 1]),
        ([0.0, 1.0], 5, [1, 4]),
    ],
)
def test_each_gets_one_and_the_rest_by_weight(
    weights: list[float], budget: int | None, repeats: list[int]
) -> None:
    assert apportion(np.array(weights), budget).tolist() == repeats


def test_a_budget_below_the_items_is_refused_with_both_numbers() -> None:
    with pytest.raises(InvalidInput, match="repeat_budget = 2 is below k = 3"):
        apportion(np.ones(3), 2)
