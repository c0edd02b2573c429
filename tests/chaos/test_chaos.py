"""A seeded part of the chaos suite, and proof that it would notice a missing guard.

The long run is `python -m tests.chaos --seeds 500 --json`.
"""

import re
from collections.abc import Iterator
from itertools import count, islice

import pytest

from tests.chaos.__main__ import DISK_MEGABYTES
from tests.chaos.breaking import BREAK_VARIABLE
from tests.chaos.disks import small_disk
from tests.chaos.fleet import Fleet, fleet
from tests.chaos.runs import Report, default_kinds, one_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
FAULTS = 3  # a run; as many as the long runs inflict at most
PATIENCE = 5.0  # seconds that a job is waited for which cannot end


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Servers and API for all tests here; the workers are each test's own."""
    home = tmp_path_factory.mktemp("fleet")
    with small_disk(home, DISK_MEGABYTES) as unfillable, fleet(home) as made:
        made.unfillable = unfillable
        yield made


def test_nothing_is_lost_and_nothing_is_done_twice(made: Fleet) -> None:
    report, kinds = Report(), default_kinds(fillable=not made.unfillable)  # small_disk has printed why
    for seed, start in enumerate(range(0, len(kinds), FAULTS)):
        one_run(made, seed, kinds[start : start + FAULTS], report)
    assert report.breaks == []
    assert set(report.faults) == set(kinds)


# By guard: the fault that shows that it is missing, where nothing else covers for it (a worker that looks
# into the database itself needs no ring), and what the checker then says.
DEAF = {"EVOSELECT_POLL_SECONDS": "3600", "EVOSELECT_NOTIFY_AGAIN_SECONDS": "3600"}
MISSING = {
    "fence": ("stop_past_lease", {}, r"was committed by token|accepted commits"),
    "sweeper": ("kill_parent", {}, "has not ended"),
    "outbox": ("kill_api", DEAF, "rings were never sent"),
}


@pytest.mark.long
@pytest.mark.kills
@pytest.mark.parametrize("guard", MISSING)
def test_without_a_guard_the_suite_fails(made: Fleet, guard: str) -> None:
    kind, variables, said = MISSING[guard]
    made.change_workers({BREAK_VARIABLE: guard, **variables})
    seeds = count(100 * (1 + list(MISSING).index(guard)))  # a seed's requests are sent once to a fleet
    if not variables:
        calm = Report()
        one_run(made, next(seeds), [], calm)
        assert calm.breaks == []  # so that what follows is the fault's work
    report = Report()
    for seed in islice(seeds, 10):
        one_run(made, seed, [kind], report, end_seconds=PATIENCE)
        if report.breaks:
            break
    assert any(re.search(said, found) for found in report.breaks), report.breaks
