"""A pool of computed features: what feature shards leave, and what the select worker takes to merge it.

The real phases, database and store; features are read from a file in place of a model, so their seconds are
not told. Every worker is a process of its own, so that its memory is.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fleet import data
from benchmarks.machine import peak_rss_gb
from store.accounts import tenants
from store.artifacts import Artifacts
from store.data.sources import Source
from store.jobs import lifecycle as jobs
from store.jobs import plans, shards
from store.jobs.results import FeaturesResult, ListedResult
from store.records import record as records
from store.records.record import Record, parse_record
from store.session import Database
from store.settings import Settings
from store.tables.jobs import Job
from store.tables.states import JobKind
from tests.chaos.crash_points import scene
from tests.workers.selections.computing import left
from workers.context import Context
from workers.features.block import FeatureBlock
from workers.process import siblings
from workers.process.phases_by_name import PHASES
from workers.process.work import Outcome, Work
from workers.process.workplace import Workplace

SHARD = 25_000  # rows
ASKED = ("sums", "lists")


def measure(rows: int) -> dict[str, Any]:
    """From stored features to items; seconds and peak by phase, and bytes that shards left a candidate."""
    data.features(rows)
    found: dict[str, Any] = {"rows": rows, "shards": -(-rows // SHARD)}
    with tempfile.TemporaryDirectory() as home, scene(Path(home)) as made:
        context = _context(made.settings)
        job_id = _begun(context, rows)
        _worked(made.settings, "features")
        for phase in (*ASKED, "merge"):
            found[f"transport_before_{phase}"] = _worked(made.settings, "select")
            if phase in ASKED:
                found[phase] = _worked(made.settings, "features")
                found[phase]["bytes_per_candidate"] = round(_bytes(context, job_id, phase) / rows, 1)
        with context.database.transaction() as session:
            job = session.get_one(Job, job_id)
            assert job.result is not None, job.error
            told, seen = job.result["diagnostics"], job.result["features"]
        context.database.dispose()
    return found | {"certified": told["certified"], "gap": told["gap"], "asked_again": seen["asked_again"]}


def run(work: Work) -> Outcome:
    """Phase `features`: rows of the file in place of a model's."""
    part, artifacts = plans.FeaturePart.model_validate(work.claim.payload), work.context.artifacts
    rows = range(part.start, part.stop)
    own = records.from_table(artifacts.get_rows(part.artifact, part.sha256, rows, records.SCHEMA.names))
    matrix = data.targets() if part.role == "target" else data.whole(part.of)

    def features(some: Sequence[Record]) -> FeatureBlock:
        values = matrix[[int(record.id) for record in some]].float().numpy()[:, None, :]
        ones = np.ones((len(some), 1), dtype=np.float32)
        tokens = np.full(len(some), 3, dtype=np.int32)
        return FeatureBlock(values, ones, ones[:, 0], tokens, ["ok"] * len(some), "s", {})

    done = left(artifacts, work.claim.tenant_id, own, features, work.context.settings.block_rows)
    return Outcome(FeaturesResult.of(done))


def _begun(context: Context, rows: int) -> str:
    """The selection, as it is accepted."""
    sources = []
    for role, count in (("target", data.M), ("pool", rows)):
        side = [
            parse_record({"id": str(n), "prompt": f"{role} {n}", "completion": "x"}) for n in range(count)
        ]
        stored = context.artifacts.put_table("records", records.to_table(side))
        sources.append(Source(role, stored.path, stored.sha256, count))
    parts = plans.feature_shards(sources, SHARD)
    request = {"target_id": "t", "pool_id": "p", "pool_version": 0, "features": {}, "spec": {}}
    request |= {"exclude_selection_ids": [], "k": data.K, "model": "none", "seed": 0}
    with context.database.transaction() as session:
        tenant = tenants.ensure_tenant(session, "fleet")
        made = jobs.create(session, tenant_id=tenant, kind=JobKind.SELECTION, request=request, plans=parts)
        return made.id


def _worked(settings: Settings, queue: str) -> dict[str, Any]:
    """A worker of its own until nothing waits in its queue: seconds with its start, and its peak."""
    start = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        peak = pool.apply(_drained, (settings, queue))
    return {"seconds": round(time.perf_counter() - start, 1), "peak_gb": round(peak, 3)}


def _drained(settings: Settings, queue: str) -> float:
    PHASES["features"] = "benchmarks.fleet.computed"
    os.environ[siblings.VARIABLE] = "fleet"
    Workplace(_context(settings), [queue]).drain()
    return peak_rss_gb()


def _context(settings: Settings) -> Context:
    return Context(settings, Database(settings.database_url), Artifacts(settings.artifacts_url))


def _bytes(context: Context, job_id: str, phase: str) -> int:
    """Of the files that the shards left."""
    with context.database.transaction() as session:
        named = [ListedResult.of(shard.result).file for shard in shards.of_phase(session, job_id, phase)]
    return sum(len(context.artifacts.get_bytes(file.path, file.sha256)) for file in named)
