"""Every fault once in a fleet of large pools; `python -m tests.chaos --parts large_runs` takes schedules."""

from pathlib import Path

import pytest

from tests.chaos.faults import KINDS
from tests.chaos.large import faults
from tests.chaos.large.fleets import large_fleet, orders_of
from tests.chaos.runs import Report, one_run

pytestmark = [pytest.mark.long, pytest.mark.kills, pytest.mark.timeout(900)]
AT_ONCE = 3
BESIDE = ("stop_past_lease", "disk_full", "database_crash")


def test_nothing_is_lost_and_no_answer_of_another_worker_is_mixed_in(tmp_path: Path) -> None:
    report, kinds = Report(), [*faults.KINDS, *BESIDE]
    assert set(BESIDE) <= set(KINDS)
    with large_fleet(tmp_path) as made:
        orders = orders_of(made)
        for seed, start in enumerate(range(0, len(kinds), AT_ONCE)):
            one_run(made, seed, kinds[start : start + AT_ONCE], report, orders=orders)
    assert report.breaks == []
    assert set(report.faults) == set(kinds)
