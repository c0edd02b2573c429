"""Statuses are a list of names that takes a byte a row."""

from collections import Counter

import numpy as np
import pytest

from workers.features.statuses import STEP, Statuses

NAMES = ["ok", "too_long", "ok", "non_finite", "ok"]


def test_they_read_like_the_list_that_they_are_of() -> None:
    found = Statuses.of(NAMES)
    assert found == NAMES
    assert [found[row] for row in range(5)] == NAMES
    assert found[1:4] == NAMES[1:4]
    assert found.at(np.array([3, 0])) == ["non_finite", "ok"]
    assert list(found.counts().items()) == list(Counter(NAMES).items())
    assert found.rows("ok").tolist() == [0, 2, 4]
    assert found.rows("unknown").tolist() == []
    assert Statuses.of([]) == []
    assert Statuses.of([]).codes(["ok"]).tolist() == []


def test_rows_are_given_names_and_a_copy_keeps_its_own() -> None:
    found = Statuses.of(NAMES)
    before = found.copy()
    found.give(found.are("ok"), "usable")
    found.give(np.array([1]), "in_target")
    assert found == ["usable", "in_target", "usable", "non_finite", "usable"]
    assert list(found.counts()) == ["usable", "in_target", "non_finite"]
    assert before == NAMES


def test_parts_follow_each_other_whatever_their_names_are_called_by() -> None:
    parts = [Statuses.of(NAMES), Statuses.of([]), Statuses.of(["non_finite", "ok"])]
    assert Statuses.joined(parts) == [*NAMES, "non_finite", "ok"]
    assert Statuses.joined([]) == []


def test_codes_are_places_among_the_names_asked_for() -> None:
    found = Statuses.of(NAMES)
    assert found.codes(["non_finite", "ok", "too_long"]).tolist() == [1, 2, 1, 0, 1]
    found.give(found.rows("too_long"), "ok")
    assert found.codes(["non_finite", "ok"]).tolist() == [1, 1, 1, 0, 1]
    with pytest.raises(ValueError, match="not in list"):
        found.codes(["ok"])


def test_a_row_takes_a_byte_and_many_are_named_in_steps() -> None:
    found = Statuses(np.zeros(2 * STEP + 3, dtype=np.uint8), ["ok"])
    found.give(np.array([STEP]), "too_long")
    assert found.codes(["ok", "too_long"]).nbytes == len(found)
    assert [row for row, name in enumerate(found) if name != "ok"] == [STEP]
