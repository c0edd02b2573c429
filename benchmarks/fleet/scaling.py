"""Rows a second of one, two and four feature workers on this machine, one thread each.

Embedded servers and the demo's records. Every worker has its model loaded before: a small selection with a
shard for each runs first.
"""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.demo.data import DemoData, build
from benchmarks.demo.embedded import embedded
from evoselect_client.client import Client
from evoselect_client.models import Selection

WORKERS = (1, 2, 4)
SHARD_ROWS = 16  # fewer than store.jobs.pace looks at, which would make one shard of them all
WARM_UP = 4 * SHARD_ROWS  # rows: a shard for every worker
LIMIT = 3_600.0
Json = dict[str, Any]


def measure(rows: int) -> Json:
    """Rows a second by workers, and both ratios: two over one, four over two."""
    data = build()
    rates = {workers: _rate(data, rows, workers) for workers in WORKERS}
    return {
        "rows_per_second": {workers: round(rate, 2) for workers, rate in rates.items()},
        "two_over_one": round(rates[2] / rates[1], 3),
        "four_over_two": round(rates[4] / rates[2], 3),
    }


def _rate(data: DemoData, rows: int, workers: int) -> float:
    settings = {
        "EVOSELECT_COMPUTE_PROCESSES": str(workers),
        "EVOSELECT_SHARD_ROWS": str(SHARD_ROWS),
        "OMP_NUM_THREADS": "1",
    }
    fresh = itertools.count()
    with (
        tempfile.TemporaryDirectory() as logs,
        embedded(Path(logs), settings) as (url, key),
        Client(url, key) as client,
    ):
        _select(client, data, _named(data, WARM_UP, fresh))
        job = _select(client, data, _named(data, rows, fresh))
        at = {(event.type, event.data.get("phase")): event.created_at for event in job.events()}
    return rows / (at["phase.started", "transport"] - at["job.running", None]).total_seconds()


def _named(data: DemoData, rows: int, fresh: Iterator[int]) -> list[Json]:
    """Candidates whose features nobody computed yet: the demo's, each with another first word."""
    return [
        {**row, "prompt": f"{next(fresh)}. {row['prompt']}"}
        for row in itertools.islice(itertools.cycle(data.pool), rows)
    ]


def _select(client: Client, data: DemoData, pool: list[Json]) -> Selection:
    created = client.pools.create()
    created.add(pool)
    goal = client.targets.create(data.target[:SHARD_ROWS]).id
    return client.selections.create(target_id=goal, pool_id=created.id, k=8).wait(timeout=LIMIT)
