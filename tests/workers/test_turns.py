"""Long work gives way to others that wait: a training at its checkpoints, and it loses nothing by it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from evoselect.spec.training import EvaluationSpec, TrainingSpec
from store.accounts import tenants
from store.artifacts import Artifacts
from store.data import targets
from store.jobs import claims, submissions
from store.jobs.claims import Claim, Offer
from store.jobs.requests import EvaluationWork, TrainingWork
from store.session import Database
from store.settings import Settings
from store.tables.jobs import Event, Job
from tests.store.loops.test_advance import QUOTA, Line
from tests.workers.chat_server import hang, scripted
from tests.workers.proxy import ALIAS, questions, register
from workers.context import Context
from workers.models import held as loaded
from workers.process.attempt import execute
from workers.process.heartbeat import Heartbeat
from workers.process.phases_by_name import run
from workers.process.workplace import Workplace

STEPS = 6


@pytest.fixture
def place(
    database: Database, proxy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workplace]:
    """A training worker that leaves its state after every step and looks for others at once."""
    register(proxy_folder, monkeypatch)
    settings = Settings(home=tmp_path, checkpoint_seconds=1e-6, poll_seconds=1e-6)
    yield Workplace(Context(settings, database, Artifacts(f"file://{tmp_path}/artifacts")), ["train"])
    loaded._held.clear()


def train(place: Workplace, tenant: str, steps: int = STEPS) -> str:
    ctx = place.context
    spec = TrainingSpec(max_steps=steps, batch_size=2, dtype="float32")
    with ctx.database.transaction() as session:
        examples, _ = targets.kept(session, ctx.artifacts, tenant, (questions(6), [None] * 6), quota=QUOTA)
        asked = TrainingWork(base_model=ALIAS, spec=spec, seed=0, file_id="file_x", examples_id=examples.id)
        label = submissions.Label()
        return submissions.training(session, tenant, asked, most_steps=100, label=label).id


def evaluate(place: Workplace, tenant: str, model: str) -> str:
    ctx = place.context
    with ctx.database.transaction() as session:
        asked, _ = targets.kept(session, ctx.artifacts, tenant, (questions(6), [None] * 6), quota=QUOTA)
        work = EvaluationWork(model=model, target_id=asked.id, spec=EvaluationSpec())
        return submissions.evaluation(session, tenant, work, submissions.Label()).id


def claims_of(database: Database) -> list[str]:
    """The jobs whose shards were claimed, in order."""
    with database.transaction() as session:
        query = select(Event).where(Event.type == "shard.claimed").order_by(Event.created_at)
        return [event.job_id for event in session.scalars(query)]


def result(database: Database, job_id: str) -> dict[str, Any]:
    with database.transaction() as session:
        job = session.get_one(Job, job_id)
        assert job.status == "completed", job.error
        return job.result or {}


def test_a_training_lets_others_pass_and_ends_as_if_it_had_been_alone(
    place: Workplace, database: Database, tenant: str
) -> None:
    alone = train(place, tenant)
    place.drain()
    assert claims_of(database) == [alone]  # nobody waited
    with database.transaction() as session:
        other = tenants.ensure_tenant(session, "other")
    long, short = train(place, tenant), train(place, other, steps=1)
    place.drain()
    assert claims_of(database)[1:] in ([long, short, long], [short, long])
    assert len(result(database, short)["loss_history"]) == 1
    found, wanted = result(database, long), result(database, alone)
    assert found["steps"] == STEPS
    assert found["loss_history"] == pytest.approx(wanted["loss_history"], abs=1e-4)
    with database.transaction() as session:
        rows = session.execute(text("select rows_done, deaths + faults from shards")).all()
    assert rows == [(12, 0), (12, 0), (2, 0)]


def test_a_training_of_ones_own_passes_only_with_a_higher_priority(
    place: Workplace, database: Database, tenant: str
) -> None:
    train(place, tenant, steps=2)
    train(place, tenant, steps=1)
    place.drain()
    assert len(claims_of(database)) == 2


def test_trainings_and_evaluations_take_turns_on_a_base_that_is_read_once(
    place: Workplace,
    database: Database,
    tenant: str,
    proxy_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(proxy_folder, tmp_path / "own")
    register(tmp_path / "own", monkeypatch)
    first = train(place, tenant, steps=2)
    place.drain()
    shutil.rmtree(tmp_path / "own")
    measured = evaluate(place, tenant, str(result(database, first)["model_id"]))
    second = train(place, tenant, steps=2)
    place.drain()
    again = evaluate(place, tenant, str(result(database, second)["model_id"]))
    place.drain()
    assert result(database, second)["loss_history"] == result(database, first)["loss_history"]
    assert result(database, again)["answer_nll"] == result(database, measured)["answer_nll"]


def test_a_generator_that_never_answers_gives_way_to_others(
    database: Database, tenant: str, tmp_path: Path
) -> None:
    artifacts = Artifacts(f"file://{tmp_path}")
    short = Settings(
        home=tmp_path, checkpoint_seconds=0.1, poll_seconds=0.1, generator_networks="127.0.0.0/8"
    )
    ctx = Context(short, database, artifacts)
    with database.transaction() as session:
        other = tenants.ensure_tenant(session, "other")
    with scripted(hang(5.0)) as (url, _):
        generator = {"kind": "openai", "url": url, "model": "m", "size": 5, "seconds": 1.0}
        for owner in (tenant, other):
            Line(database, owner, artifacts, generator=generator).look()
        first = claim(database)
        assert execute(ctx, first, run, Heartbeat(database, short)) is None
    assert claim(database).tenant_id != first.tenant_id
    with database.transaction() as session:
        rows = session.execute(text("select state, deaths + faults from shards where phase = 'generate'"))
        assert sorted(map(tuple, rows)) == [("ready", 0), ("running", 0)]


def claim(database: Database) -> Claim:
    with database.transaction() as session:
        found = claims.claim(session, Offer("generate", ("generate",), "w", 60.0))
    assert found is not None
    return found
