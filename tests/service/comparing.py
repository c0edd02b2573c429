"""A comparison over the live API: workers' parts by the store's functions, verdicts by their phase."""

import random
from datetime import timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import func, update

from store.artifacts import Artifacts
from store.comparisons import advance as comparisons
from store.jobs import claims, plans, shards
from store.jobs.claims import Claim, Offer
from store.results import items as selected
from store.settings import Settings
from store.tables.jobs import Job, Shard
from tests.live import Api, Json, question
from workers.context import Context
from workers.evaluations.records import SCHEMA
from workers.phases import judge
from workers.process.work import Work

QUEUES = ("ops", "select", "features", "train")  # looks first, verdicts before trainings
QUESTIONS = 40
RIGHT = {"random": 0.3, "capacity": 0.8}  # shares of the answers by arm; others have half
CHOICES = {"choices": ["a", "b"], "answer": 0, "completion": "a"}


def uploaded(api: Api, questions: int = QUESTIONS) -> Json:
    """Ids of a target, a pool and examples with choices that are kept apart."""
    target = [question(number) for number in range(6)]
    held_out = [question(1000 + number) | CHOICES for number in range(questions)]
    pool = api.made("/v1/pools", {})["id"]
    api.made(f"/v1/pools/{pool}/batches", {"records": [question(100 + number) for number in range(12)]})
    return {
        "target_id": api.made("/v1/targets", {"records": target})["id"],
        "evaluation_target_id": api.made("/v1/targets", {"records": held_out})["id"],
        "pool_id": pool,
    }


def started(api: Api, **more: Any) -> str:
    """A comparison of which nothing has run."""
    body = {**uploaded(api), "k": 4, "arms": ["random", "capacity"], **more}
    return str(api.made("/v1/comparisons", body)["id"])


def work(api: Api, until: str = "", picked: dict[str, str] | None = None) -> Claim | None:
    """Do all that waits for this tenant; stop with the first shard of the phase `until` claimed.

    picked: by arm the digest of its rows, where it is not its own.
    """
    while claim := _next(api):
        if claim.phase == until:
            return claim
        commit(api, claim, picked or {})
    return None


def commit(api: Api, claim: Claim, picked: dict[str, str] | None = None) -> None:
    """What the shard's worker would leave."""
    if claim.phase == "judge":
        context = Context(api.settings, api.database, Artifacts(api.settings.artifacts_url))
        outcome = judge.run(Work(claim, context, lambda rows: None))
        with api.database.transaction() as session:
            outcome.save(session)
            shards.commit(session, claim, outcome.result.stored())
        return
    with api.database.transaction() as session:
        if claim.phase == "compare":
            comparisons.advance(session, Settings(), claim.job_id)
            shards.commit(session, claim, {})
            return
        made = _made(api, session.get_one(Job, claim.job_id), claim.phase, picked or {})
        shards.commit(session, claim, {}, made or None)


def _next(api: Api) -> Claim | None:
    with api.database.transaction() as session:  # claims are fair, and this tenant's are to be next
        later = func.clock_timestamp() + timedelta(days=1)
        session.execute(update(Shard).where(Shard.tenant_id != api.tenant_id).values(available_at=later))
        offers = (Offer(queue, tuple(plans.QUEUE), "worker-1", 60.0) for queue in QUEUES)
        return next(filter(None, (claims.claim(session, offer) for offer in offers)), None)


def _made(api: Api, job: Job, phase: str, picked: dict[str, str]) -> Json:
    if phase == "transport":
        arm = job.user_metadata["arm"]
        records = [question(100 + number, id=f"{arm}-{number}", group=arm) for number in range(4)]
        items = [
            {"rank": rank, "id": record["id"], "content_hash": record["id"], "weight": 0.25, "record": record}
            for rank, record in enumerate(records, 1)
        ]
        stored = selected.put(Artifacts(api.settings.artifacts_url), "t/items", items)
        rows = {"rows": 4, "tokens": 44, "sha256": picked.get(arm, job.id)}
        return {"picked": rows, "artifacts": {"items": stored.stored()}}
    if phase == "train":
        return {"model_id": f"mdl_of_{job.id}", "steps": 1, "tokens_per_second": 1000.0}
    return evaluated(api, job) if phase == "evaluate" else {}


def evaluated(api: Api, job: Job) -> Json:
    """Right answers by arm, drawn by its name and run."""
    arm, run = job.user_metadata["arm"], job.user_metadata["run"]
    draw = random.Random(f"{arm} {run}")
    rows = [
        {"id": str(at), "status": "ok", "answer": 0, "predicted": int(draw.random() > RIGHT.get(arm, 0.5))}
        for at in range(QUESTIONS)
    ]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    stored = Artifacts(api.settings.artifacts_url).put_table("t/evaluations", table)
    return {"accuracy": 0.5, "artifacts": {"rows": {"path": stored.path, "sha256": stored.sha256}}}
