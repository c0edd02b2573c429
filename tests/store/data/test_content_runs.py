"""Keys of contents: new ones are told from known ones as a set of Python would."""

import numpy as np
import pytest

from store.data import seen_contents as seen_keys
from store.data.content_runs import Run, from_buffer, merged
from store.data.seen_contents import Seen


def keys(numbers: list[int]) -> np.ndarray:
    """Keys whose lower halves collide on purpose."""
    return np.array([[number % 7, number] for number in numbers], dtype=np.uint64).reshape(-1, 2)


@pytest.mark.parametrize("filter_bits", [6, 10, 27])
@pytest.mark.parametrize("run_rows", [7, 100, 2**18])
def test_the_first_of_equal_keys_is_new(
    filter_bits: int, run_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the filter is so full that it alarms at every key, and where runs lie in the file."""
    monkeypatch.setattr(seen_keys, "FILTER_BITS", filter_bits)
    monkeypatch.setattr(seen_keys, "RUN_ROWS", run_rows)
    draw = np.random.default_rng(run_rows)
    seen, known = Seen([]), set()
    for size in (0, 1, 50, 3, 400, 20, 1000):
        numbers = [int(number) * 2**40 for number in draw.integers(0, 300, size)]
        values = np.array([[number, number ^ 5] for number in numbers], dtype=np.uint64).reshape(-1, 2)
        expected = [number not in known and not known.add(number) for number in numbers]  # type: ignore[func-returns-value]
        assert seen.add(values).tolist() == expected
    assert sorted(low for run in seen.own() for low in run.low.tolist()) == sorted(known)


def test_what_the_pool_holds_is_not_new() -> None:
    first = Seen([])
    first.add(np.array([[3, 1], [1, 1], [2, 9]], dtype=np.uint64))
    stored = from_buffer(np.frombuffer(next(first.own()).to_bytes(), dtype="<u8"))
    second = Seen([stored])
    assert second.add(np.array([[1, 1], [1, 2], [4, 4]], dtype=np.uint64)).tolist() == [False, True, True]
    assert [len(run.low) for run in second.own()] == [2]


def test_different_contents_are_never_taken_for_one() -> None:
    assert Seen([]).add(keys([0, 7, 14, 21])).all()


def test_merged_runs_are_in_order() -> None:
    halves = [np.array(half, dtype=np.uint64) for half in ([1, 5], [2, 9])]
    run = merged(Run(halves[0], halves[0]), Run(halves[1], halves[1]))
    assert run.low.tolist() == [1, 2, 5, 9]
    assert run.high.tolist() == [1, 2, 5, 9]
