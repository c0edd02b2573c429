"""A selection by the real phases, database and store: what shards leave, and what the select worker takes.

Every worker is a process of its own, one after the other, so that its memory and its seconds are.
"""

import math
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.fleet import data
from benchmarks.machine import peak_rss_gb
from store.artifacts import Artifacts
from store.jobs import shards
from store.jobs.results import ListedResult
from store.session import Database
from store.settings import Settings
from store.tables.jobs import Job
from tests.chaos.crash_points import scene
from workers.context import Context
from workers.process import siblings
from workers.process.phases_by_name import PHASES
from workers.process.workplace import Workplace

ASKED = ("sums", "lists")
Begun = Callable[[Context, int], str]
"""Accepts a selection from so many rows; the id of its job."""


def measure(sizes: Sequence[int], begun: Begun) -> dict[str, Any]:
    """At every size, and how the peak of the merge grows from the least to the largest."""
    found = {rows: _measure(rows, begun) for rows in sorted(sizes)}
    peaks = [one["transport_before_merge"]["peak_gb"] for one in found.values()]
    least, most = min(sizes), max(sizes)
    grown = math.log(peaks[-1] / peaks[0]) / math.log(most / least) if most > least else None
    return {"growth_exponent": grown, "sizes": found}


def _measure(rows: int, begun: Begun) -> dict[str, Any]:
    """From what is stored to items; seconds and peak by phase, and bytes that shards left a candidate."""
    data.features(rows)
    found: dict[str, Any] = {"rows": rows}
    with tempfile.TemporaryDirectory() as home, scene(Path(home)) as made:
        context = context_of(made.settings)
        found["worker_start"] = _worked(made.settings, "features")
        job_id = begun(context, rows)
        _worked(made.settings, "features")
        for phase in (*ASKED, "merge"):
            found[f"transport_before_{phase}"] = _worked(made.settings, "select")
            if phase in ASKED:
                found[phase] = _worked(made.settings, "features")
                left = _left(context, job_id, phase)
                found |= {"shards": len(left)}
                found[phase]["bytes_per_candidate"] = round(sum(left) / rows, 1)
        with context.database.transaction() as session:
            job = session.get_one(Job, job_id)
            assert job.result is not None, job.error
            told, seen = job.result["diagnostics"], job.result["features"]
        context.database.dispose()
    every = sum(found[phase]["bytes_per_candidate"] for phase in ASKED)
    said = {name: told[name] for name in ("certified", "gap", "shortlist_candidates")}
    return found | {"bytes_per_candidate": every, **said, "asked_again": seen.get("asked_again")}


def _worked(settings: Settings, queue: str) -> dict[str, Any]:
    """A worker of its own until nothing waits in its queue: seconds with its start, and its peak."""
    start = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        peak = pool.apply(_drained, (settings, queue))
    return {"seconds": round(time.perf_counter() - start, 1), "peak_gb": round(peak, 3)}


def _drained(settings: Settings, queue: str) -> float:
    PHASES["features"] = "benchmarks.fleet.computed"
    os.environ[siblings.VARIABLE] = "fleet"
    Workplace(context_of(settings), [queue]).drain()
    return peak_rss_gb()


def context_of(settings: Settings) -> Context:
    """The context of workers with these settings."""
    return Context(settings, Database(settings.database_url), Artifacts(settings.artifacts_url))


def _left(context: Context, job_id: str, phase: str) -> list[int]:
    """Bytes of the file that each shard left."""
    with context.database.transaction() as session:
        named = [ListedResult.of(shard.result).file for shard in shards.of_phase(session, job_id, phase)]
    return [len(context.artifacts.get_bytes(file.path, file.sha256)) for file in named]
