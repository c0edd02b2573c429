"""What the pages are measured on: many jobs, a large pool, a selection whose pool and result are large."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
from pydantic_core import to_jsonable_python
from sqlalchemy import insert

from benchmarks.api.served import Served
from store.artifacts import Artifacts
from store.data import pools
from store.jobs import lifecycle as jobs
from store.kit.ids import new_id
from store.results import considered
from store.results import items as selected
from store.session import Database
from store.tables.jobs import Job
from store.tables.states import JobKind, JobStatus

WORDS = "Which of these explains why a metal spoon feels colder than a wooden one in the same room? "
BRIEF = "Why does it feel cold?"
NEEDLE = "a spoon of silver"  # stands in the last record alone, so that a search reads all of them
TIMEOUT = 600.0  # seconds


@dataclass(frozen=True)
class Made:
    """Where the pages are that are measured."""

    pool: str
    selection: str


def fill(live: Served, *, job_count: int, pool_rows: int, searched_rows: int) -> Made:
    """Store all of it."""
    database = Database(live.settings.database_url)
    many_jobs(database, live, job_count)
    pool = _pool(live, pool_rows, BRIEF)  # its page shows twenty of them, whatever their length
    made = Made(pool, _selection(database, live, searched_rows))
    database.dispose()
    return made


def files(folder: Path) -> tuple[Path, Path]:
    """A target and a pool as a person has them."""
    places = folder / "task.jsonl", folder / "candidates.jsonl"
    for place, count in zip(places, (12, 200), strict=True):
        place.write_bytes(b"".join(_rows(count)))
    return places


def many_jobs(database: Database, live: Served, count: int) -> None:
    """Completed selections of the tenant that lead nowhere, for lists of them."""
    row: dict[str, Any] = {
        "tenant_id": live.tenant_id,
        "kind": "selection",
        "status": "completed",
        "request": {},
    }
    row |= {"result": {"artifacts": {}}, "last_event": 1}
    with database.transaction() as session:
        session.execute(insert(Job), [{**row, "id": new_id("sel"), "name": f"job {n}"} for n in range(count)])


def _pool(live: Served, count: int, words: str = WORDS) -> str:
    pool_id: str = live.made("/v1/pools", {"name": f"{count:,} candidates"})["id"]
    headers = {**live.headers, "Content-Type": "application/x-ndjson"}
    url = f"{live.url}/v1/pools/{pool_id}/batches"
    httpx.post(url, content=_rows(count, words), headers=headers, timeout=TIMEOUT).raise_for_status()
    return pool_id


def _rows(count: int, words: str = WORDS) -> Iterator[bytes]:
    for number in range(count):
        text = f"{number}: {words * 2}{NEEDLE if number == count - 1 else ''}"
        row = {"prompt": text, "completion": words, "id": f"c-{number:08d}", "source": f"s{number % 7}"}
        yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _selection(database: Database, live: Served, count: int) -> str:
    """Completed without workers: each tenth candidate is selected, the others are left out."""
    pool_id = _pool(live, count)
    goal = [orjson.loads(row) | {"id": f"t-{number}"} for number, row in enumerate(_rows(100))]
    target = live.made("/v1/targets", {"records": goal})["id"]
    body = {"target_id": target, "pool_id": pool_id, "ratio": 0.1, "name": "measured"}
    made: str = live.made("/v1/selections", body)["id"]
    artifacts = Artifacts(live.settings.artifacts_url)
    with database.transaction() as session:
        (batch,) = pools.batches(session, pool_id, 1)
    table = artifacts.get_table(batch.artifact, batch.sha256, ("id", "content_hash", "prompt", "completion"))
    rows = table.to_pylist()
    items = [_item(rank, row) for rank, row in enumerate(rows[::10], start=1)]
    ids, hashes = table["id"].to_pylist(), table["content_hash"].to_pylist()
    nearest, cosines = [f"t-{at % 100}" for at in range(count)], [at % 997 / 997 for at in range(count)]
    result = {
        "counts": {"pool": count, "usable": count, "left_out": {}},
        "artifacts": {
            "items": selected.put(artifacts, "t/items", items),
            "considered": considered.put(
                artifacts, "t/considered", ids=ids, hashes=hashes, nearest=nearest, cosines=cosines
            ),
        },
    }
    with database.transaction() as session:
        job = jobs.get(session, live.tenant_id, made, JobKind.SELECTION)
        job.result, job.status = to_jsonable_python(result), JobStatus.COMPLETED
    return made


def _item(rank: int, row: dict[str, Any]) -> dict[str, Any]:
    served = [{"id": f"t-{rank % 100}", "cosine": 0.5, "mass": 0.1}]
    own = {"rank": rank, "id": row["id"], "content_hash": row["content_hash"], "score": 1.0 / rank}
    return {**own, "weight": 1.0, "repeats": 1, "targets": served, "why": "Serves it.", "record": row}
