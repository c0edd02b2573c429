"""The same selection through the service: embedded servers, everything over HTTP.

Records are short, so that features and the selection are what is measured. The peak is that of the largest
process, servers and workers alike, as the kernel keeps it.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil

from benchmarks.demo.embedded import embedded
from benchmarks.fleet import data
from benchmarks.growth import watched
from benchmarks.machine import peak_bytes_of
from evoselect_client.client import Client
from evoselect_client.models import Selection

T = TypeVar("T")
LOOKS = 0.25  # seconds between two looks at the processes
LIMIT = 3_600.0


def measure(rows: int) -> dict[str, Any]:
    """Upload, select, read the items; seconds of each, and the peak."""
    matrix, records = data.features(rows), _records(rows)
    targets = data.FOLDER / "targets.npy"
    np.save(targets, data.targets().numpy())
    with (
        tempfile.TemporaryDirectory() as logs,
        embedded(Path(logs)) as (url, key),
        Client(url, key) as client,
        _peak() as most,
    ):
        pool, pool_seconds = _timed(lambda: _pool(client, records))
        sides = {"target": targets, "pool": matrix}
        files, file_seconds = _timed(
            lambda: {side: client.files.create(path).id for side, path in sides.items()}
        )
        goal = client.targets.create([_record("target", number) for number in range(data.M)])
        before = dict(most)
        job, seconds = _timed(
            lambda: client.selections.create(
                target_id=goal.id, pool_id=pool, k=data.K, features={"kind": "provided"}, feature_files=files
            ).wait(timeout=LIMIT)
        )
        items, item_seconds = _timed(lambda: sum(1 for _ in job.items()))
    assert items == data.K
    return {
        "rows": rows,
        "upload_seconds": round(pool_seconds + file_seconds, 2),
        "job_seconds": round(seconds, 2),
        "phase_seconds": {name: phase.seconds for name, phase in job.progress.phases.items()},
        "items_seconds": round(item_seconds, 2),
        "job_peak_gb": round(max(most.values()) / 2**30, 3),
        "peak_before_job_gb": round(max(before.values()) / 2**30, 3),
        "certified": _said(job, "certified"),
        "gap": _said(job, "gap"),
    }


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def _said(job: Selection, name: str) -> Any:
    diagnostics: dict[str, Any] = {**job.output()["diagnostics"]}
    return diagnostics[name]


def _pool(client: Client, records: Path) -> str:
    pool = client.pools.create()
    pool.add(records)
    return pool.id


def _record(side: str, number: int) -> dict[str, str]:
    return {"id": f"{side}{number}", "prompt": f"{side} question {number}", "completion": f"answer {number}"}


def _records(rows: int) -> Path:
    """A JSON Lines file of short records, written once."""
    path = data.FOLDER / f"{rows}.jsonl"
    if not path.exists():
        with path.with_suffix(".part").open("w") as file:
            file.writelines(json.dumps(_record("pool", number)) + "\n" for number in range(rows))
        path.with_suffix(".part").rename(path)
    return path


@contextmanager
def _peak() -> Iterator[dict[int, int]]:
    """Bytes that each of this process's descendants held at most, by process id."""
    most: dict[int, int] = {}

    def look() -> None:
        for process in psutil.Process().children(recursive=True):
            if (peak := peak_bytes_of(process.pid)) is not None:
                most[process.pid] = peak

    with watched(look, LOOKS):
        yield most
