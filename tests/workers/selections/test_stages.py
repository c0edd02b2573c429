"""The transport phase says how many of its stages are done, and never takes one back."""

from typing import Any

import pytest

from store.errors import Cancelled
from store.jobs import claims, shards
from store.jobs.claims import Claim, Offer
from tests.live import Json
from tests.workers.line import Line
from tests.workers.proxy import ALIAS
from tests.workers.selections.test_near_copies import prompts, row
from workers.phases import transport
from workers.process.work import Work
from workers.process.workplace import Workplace
from workers.selections.stages import STAGES

ROWS = 54  # of the target and the pool


def ready(line: Line, **more: Any) -> tuple[Json, Claim]:
    """A selection whose features are there, and its transport shard."""
    goal, *pool = [row(f"r{number}", text) for number, text in enumerate(prompts(ROWS))]
    body = {"target": [goal], "candidates": pool, "k": 3, "model": ALIAS, **more}
    job = line.api.made("/v1/selections", body)
    Workplace(line.place.context, ["features"]).drain()
    with line.api.database.transaction() as session:
        claim = claims.claim(session, Offer("select", ("transport",), "test", 60))
    assert claim is not None
    return job, claim


def test_every_stage_counts_as_an_equal_part_of_the_rows(line: Line) -> None:
    job, claim = ready(line)
    seen: list[int] = []
    told: list[Json] = []

    def progress(done: int) -> None:
        if done not in seen:
            with line.api.database.transaction() as session:
                shards.heartbeat(session, claim, rows_done=done)
            told.append(line.api.get(f"/v1/selections/{job['id']}"))
        seen.append(done)

    transport.run(Work(claim, line.place.context, progress))
    parts = [ROWS * stage // len(STAGES) for stage in range(len(STAGES) + 1)]
    assert sorted(set(seen)) == parts
    assert seen == sorted(seen)
    assert [one["progress"]["phases"]["transport"]["done"] for one in told] == parts
    assert {one["progress"]["phases"]["transport"]["total"] for one in told} == {ROWS}
    assert {one["eta_seconds"] for one in told} == {None}  # stages take unlike times


def test_a_method_without_a_solver_passes_over_its_stages(line: Line) -> None:
    _, claim = ready(line, method="random")
    seen: list[int] = []
    transport.run(Work(claim, line.place.context, seen.append))
    assert ROWS * (1 + STAGES.index("relaxed")) // len(STAGES) not in seen
    assert (seen, seen[-1]) == (sorted(seen), ROWS)


def test_a_cancel_is_heard_between_stages(line: Line) -> None:
    _, claim = ready(line)

    def progress(done: int) -> None:
        if done == ROWS * (1 + STAGES.index("relaxed")) // len(STAGES):
            raise Cancelled("asked to stop")

    with pytest.raises(Cancelled):
        transport.run(Work(claim, line.place.context, progress))
