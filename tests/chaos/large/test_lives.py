"""Lives of selections from large pools: some of their crash points, wrong clocks, a disk that is full.

`python -m tests.chaos --parts large_points` takes every point.
"""

import resource
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import text

from store.jobs.results import files_of
from tests.chaos import history
from tests.chaos.crash_points import Life, Scene, crash, lived, open_jobs, points, work
from tests.chaos.history import Accepted
from tests.chaos.large.lives import LIVES, accept_sent, asked
from workers.context import Context

pytestmark = pytest.mark.slow
FIRST, EVERY = 20, 60
HOUR = 3600.0


def test_a_life_says_when_its_answer_is_wrong(crash_scene: Scene) -> None:
    ctx = lived(crash_scene, LIVES["sent"])
    with ctx.database.transaction() as session:
        job_id = session.scalar(text("select id from jobs"))
        assert files_of(dict(session.scalar(text("select result from jobs")) or {})).items
    (right, wrong) = (LIVES["sent"].expected(), LIVES["computed"].expected())
    assert right != wrong
    answer = LIVES["sent"].answer
    assert history.breaks(ctx.database, ctx.artifacts, [Accepted(str(job_id), right, False, answer)]) == []
    (said,) = history.breaks(ctx.database, ctx.artifacts, [Accepted(str(job_id), wrong, False, answer)])
    assert "another result than the serial run" in said
    ctx.database.dispose()


@pytest.mark.long
@pytest.mark.kills
@pytest.mark.timeout(900)
@pytest.mark.parametrize("life", LIVES)
def test_a_life_that_ends_at_a_step_converges_when_it_is_begun_again(crash_scene: Scene, life: str) -> None:
    listed = points(crash_scene, LIVES[life])
    assert {"before commit", "after commit", "rename"} <= {point.step for point in listed}
    chosen = listed[FIRST::EVERY]
    assert chosen
    assert [sentence for point in chosen for sentence in crash(crash_scene, point)] == []


@pytest.mark.parametrize(("life", "hours"), [("computed", -1), ("sent", 1)])
def test_a_workers_wrong_clock_changes_nothing(crash_scene: Scene, life: str, hours: int) -> None:
    def wrong_by_hours(scene: Scene, ctx: Context) -> None:
        right = time.time
        time.time = lambda: right() + hours * HOUR
        LIVES[life].live(scene, ctx)

    assert_right(crash_scene, replace(LIVES[life], live=wrong_by_hours))


@pytest.mark.parametrize("phase", ["sums", "lists"])
def test_on_a_full_disk_answers_wait_and_nothing_is_left_half_written(crash_scene: Scene, phase: str) -> None:
    def full_once(scene: Scene, ctx: Context) -> None:
        """Of every file only the first bytes can be written while shards leave their answers."""
        patient = replace(ctx, settings=ctx.settings.model_copy(update={"retry_delay_seconds": 0.1}))
        job_id = accept_sent(scene, patient)
        while open_jobs(patient) and not asked(patient, job_id, phase):
            work(patient, ["select"])
            if not asked(patient, job_id, phase):
                work(patient, ["features"])
        limited(100, lambda: work(patient, ["features"]))
        time.sleep(0.5)
        LIVES["sent"].live(scene, patient)

    ctx = assert_right(crash_scene, replace(LIVES["sent"], live=full_once))
    with ctx.database.transaction() as session:
        told = text("select data ->> 'reason' from events where type = 'shard.released'")
        reasons = set(session.scalars(told))
    assert reasons
    assert all(reason.startswith("OSError") for reason in reasons)
    assert not list(crash_scene.settings.home.joinpath("artifacts").rglob("*.tmp"))


def limited(size: int, work_on: Callable[[], None]) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        work_on()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def assert_right(scene: Scene, life: Life) -> Context:
    """The life ends with one job, whose answer is that of one process."""
    ctx = lived(scene, life)
    with ctx.database.transaction() as session:
        ids = list(session.scalars(text("select id from jobs")))
    expected = [Accepted(job_id, life.expected(), False, life.answer) for job_id in ids]
    assert len(ids) == 1
    assert history.breaks(ctx.database, ctx.artifacts, expected) == []
    return ctx
