"""A seeded part of the chaos suite, and proof that it would notice a missing guard.

The long run is `python -m tests.chaos --seeds 500 --json`.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.chaos.breaking import BREAK_VARIABLE
from tests.chaos.faults import KINDS
from tests.chaos.fleet import fleet
from tests.chaos.runs import Report, one_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def test_nothing_is_lost_and_nothing_is_done_twice(tmp_path: Path) -> None:
    report = Report()
    with fleet(tmp_path) as made:
        for seed, pair in enumerate(zip(*[iter(KINDS)] * 2, strict=True)):
            one_run(made, seed, pair, report)
    assert report.breaks == []
    assert set(report.faults) == set(KINDS)


# Which fault shows that a guard is missing, where nothing else covers for it: a worker that looks
# into the database itself needs no ring.
DEAF = {"poll": 3600.0, "rekick": 3600.0}


@pytest.mark.parametrize(
    ("guard", "kind", "settings"),
    [("fence", "stop_past_lease", {}), ("sweeper", "kill_parent", {}), ("outbox", "kill_api", DEAF)],
)
def test_without_a_guard_the_suite_fails(
    tmp_path: Path, guard: str, kind: str, settings: dict[str, Any]
) -> None:
    report = Report()
    with fleet(tmp_path, variables={BREAK_VARIABLE: guard}, **settings) as made:
        for seed in range(10):
            one_run(made, seed, [kind], report, end_seconds=8.0)
            if report.breaks:
                break
    assert report.breaks
