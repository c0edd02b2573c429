"""A loop over the live API whose workers' part is done by the store's own functions, shard by shard."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
from pydantic_core import to_jsonable_python
from sqlalchemy import func, update

from store.artifacts import Artifacts
from store.jobs import claims, shards
from store.jobs import lifecycle as jobs
from store.jobs.claims import Claim, Offer
from store.loops import advance as loops
from store.results import items as selected
from store.settings import Settings
from store.tables.jobs import Job, Shard
from tests.live import Api, Json, question
from workers.evaluations.records import SCHEMA

PLACES = {
    "advance": "ops",
    "generate": "generate",
    "features": "features",
    "transport": "select",
    "train": "train",
    "evaluate": "train",
}
TRAINED = {"steps": 4, "loss_history": [2.5, 2.0, 1.75, 1.5], "tokens": 640, "tokens_per_second": 320.0}


def pushed_loop(api: Api, **more: Any) -> str:
    """A loop with a random arm, of which nothing has run."""
    records = [question(number) for number in range(8)]
    target = api.made("/v1/targets", {"records": records, "held_out": {"ratio": 0.5}})["id"]
    body = {"target_id": target, "generator": {"kind": "push"}, "k": 1, "random_arm": True, **more}
    return str(api.made("/v1/loops", body)["id"])


def push(api: Api, loop: str, number: int) -> None:
    """Two candidates for a round that waits."""
    body = {"records": [question(100 * number), question(100 * number + 1)]}
    api.made(f"/v1/loops/{loop}/rounds/{number}/candidates", body)


def work(api: Api, until: str = "", **results: Callable[[Claim], Json]) -> None:
    """Do all that waits for this tenant; stop with the first shard of the phase `until` claimed.

    results: by phase what its shards come to, beside what a loop needs to go on.
    """
    while claim := _next(api):
        if claim.phase == until:
            return
        _commit(api, claim, results)


def fail(api: Api, phase: str, code: str, detail: str) -> None:
    """The next shard of that phase fails its job; what comes before it is done."""
    while claim := _next(api):
        if claim.phase == phase:
            with api.database.transaction() as session:
                shards.fail(session, claim, code, detail)
            return
        _commit(api, claim, {})


def tell(api: Api, job_id: str, **data: Any) -> None:
    """An event with metrics, as the worker of a training tells it."""
    with api.database.transaction() as session:
        jobs.record_event(session, jobs.lock(session, job_id), "training.metrics", data)


def _next(api: Api) -> Claim | None:
    with api.database.transaction() as session:  # claims are fair, and this tenant's are to be next
        later = func.clock_timestamp() + timedelta(days=1)
        session.execute(update(Shard).where(Shard.tenant_id != api.tenant_id).values(available_at=later))
    for phase, queue in PLACES.items():
        with api.database.transaction() as session:
            claim = claims.claim(session, Offer(queue, (phase,), "worker-1", 60.0))
            if claim is not None:
                return claim
    return None


def _commit(api: Api, claim: Claim, results: dict[str, Callable[[Claim], Json]]) -> None:
    made = results[claim.phase](claim) if claim.phase in results else {}
    with api.database.transaction() as session:
        if claim.phase == "advance":
            loops.advance(session, Settings(), claim.job_id)
            shards.commit(session, claim, {})
            return
        result = made
        if claim.phase == "train":
            result = {**TRAINED, "model_id": f"mdl_of_{claim.job_id}", **result}
        if claim.phase == "evaluate":
            result = evaluation(api, session.get_one(Job, claim.job_id), result)
        if claim.phase == "transport":
            artifacts = Artifacts(api.settings.artifacts_url)
            items = selected.put(artifacts, "t/items", [{"rank": 1, "id": "c1", "record": question(1)}])
            result = {"artifacts": {"items": items}, **result}
        shards.commit(session, claim, {}, None if claim.phase == "features" else to_jsonable_python(result))


def evaluation(api: Api, job: Job, more: Json) -> Json:
    """Numbers that get better by round, and by more in the selected arm."""
    number, random = int(job.user_metadata["round"]), job.user_metadata["step"].startswith("random")
    loss = 2.0 - (0.125 if random else 0.25) * number
    value = {"choice_cross_entropy": loss, "accuracy": 0.5 + 0.1 * number, "answer_nll": None}
    intervals = {
        "choice_cross_entropy": [loss - 0.5, loss + 0.5],
        "accuracy": [0.25, 0.875],
        "answer_nll": None,
    }
    rows = [
        {"id": str(at), "status": "ok", "choice_cross_entropy": loss + spread}
        for at, spread in enumerate((-1.0, -0.5, 0.5, 1.0))
    ]
    stored = Artifacts(api.settings.artifacts_url).put_table(
        "t/evaluations", pa.Table.from_pylist(rows, schema=SCHEMA)
    )
    artifacts = {"rows": {"path": stored.path, "sha256": stored.sha256}}
    counts = {"n": 4, "n_choices": 4, "left_out": {}}
    return {**counts, **value, "intervals": intervals, "artifacts": artifacts, **more}
