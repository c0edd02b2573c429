"""Hours of a fleet from the costs of a shard."""

import math

import pytest

from benchmarks.fleet.schedule import HOUR, SHARD_ROWS, Costs, Line, hours, makespan

COSTS = Costs(
    start=5.0,
    feature=0.06,
    shard_rows=1_000,
    sums=2.0,
    lists=3.0,
    select=Line(10.0, 1e-5),
    peak_gb=Line(0.5, 1e-9),
)


@pytest.mark.parametrize(("tasks", "workers"), [(1, 8), (8, 8), (9, 8), (100, 7)])
def test_equal_shards_go_in_rounds(tasks: int, workers: int) -> None:
    expected = 5.0 + 2.0 * math.ceil(tasks / workers)
    assert makespan([2.0] * tasks, workers, start=5.0) == pytest.approx(expected)


def test_a_long_shard_at_the_end_is_waited_for() -> None:
    assert makespan([1.0, 1.0, 1.0, 9.0], 2, start=0.0) == pytest.approx(10.0)


def test_a_line_goes_through_both_sizes() -> None:
    line = Line.through({400: 9.0, 200: 5.0})
    assert (line.at(200), line.at(400), line.at(1_000)) == pytest.approx((5.0, 9.0, 21.0))


def test_all_phases_of_one_worker_add_up() -> None:
    rows = 3 * COSTS.shard_rows + 500
    provided = 10.0 + 1e-5 * rows + 2 * 5.0 + 3.5 * (2.0 + 3.0)
    computed = provided + 5.0 + math.ceil(rows / SHARD_ROWS) * SHARD_ROWS * 0.06
    found = hours(COSTS, rows, 1)
    assert found["provided"] == pytest.approx(provided / HOUR, abs=1e-3)
    assert found["computed"] == pytest.approx(computed / HOUR, abs=1e-3)
