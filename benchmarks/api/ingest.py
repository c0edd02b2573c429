"""Records and files in and items out of one API process: `python -m benchmarks.api.ingest --json`.

The peer of ingestion is a bare loop of orjson.loads over the lines of the same file in the same run, that of
files is one process that copies the same file with its hash and flushes it. Memory
is the largest resident set of the API process while it works, less what it was before.
"""

import argparse
import hashlib
import http.client
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
from sqlalchemy import func, update

from benchmarks.api.served import Served, served
from benchmarks.growth import growth
from benchmarks.machine import describe
from evoselect_client.client import Client
from store.artifacts import Artifacts
from store.jobs import claims, plans, shards
from store.jobs.claims import Offer
from store.results import items as selected
from store.session import Database
from store.tables.jobs import Shard

RECORDS = 1_000_000
LARGE_BYTES = 2 * 10**9
FILE_BYTES = 10**9
ITEMS = 100_000
WARM_RECORDS = 20_000  # sent first: imports and pools of threads are not the file's
FRAGMENTS = 4_096  # texts that records are put together from
SEED = 0
SEND_BYTES = 2**20
MB = 10**6


def measure(api: Served, folder: Path, *, records: int, large_bytes: int) -> dict[str, Any]:
    """Ingestion of short records, plain, with metadata and as chat, and of one large file."""
    _ingest(api, write(folder / "warm.ndjson", _plain, rows=WARM_RECORDS))
    found: dict[str, Any] = {}
    for name, line in (("", _plain), ("_with_metadata", _with_metadata), ("_chat", _chat)):
        rows = records if not name else records // 5
        path = write(folder / f"short{name}.ndjson", line, rows=rows)
        found |= {f"ingest{name}_{key}": value for key, value in _against_orjson(api, path).items()}
        path.unlink()
    if large_bytes:
        path = write(folder / "large.ndjson", _plain, size=large_bytes)
        found |= {f"ingest_large_{key}": value for key, value in _against_orjson(api, path).items()}
        path.unlink()
    return found


def measure_items(api: Served, count: int) -> dict[str, Any]:
    """All items of a completed selection as NDJSON."""
    job_id = _completed_selection(api, count)
    headers = {**api.headers, "Accept": "application/x-ndjson"}
    rates = []
    for _ in range(3):
        start, size = time.perf_counter(), 0
        path = f"{api.url}/v1/selections/{job_id}/items"
        with httpx.stream("GET", path, headers=headers, timeout=120) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_raw():
                size += len(chunk)
        rates.append(size / MB / (time.perf_counter() - start))
    return {"items_mb_per_second": round(max(rates), 1), "items_mb": round(size / MB, 1)}


def measure_files(api: Served, folder: Path, size: int) -> dict[str, Any]:
    """A file of random bytes in one request and, by the client, in parts; against a copy with its hash."""
    path, copy = folder / "matrix.npy", folder / "copy.npy"
    with path.open("wb") as file:
        for _ in range(size // SEND_BYTES):
            file.write(random.randbytes(SEND_BYTES))
    start = time.perf_counter()
    _copied(path, copy)
    bare = time.perf_counter() - start
    copy.unlink()
    start = time.perf_counter()
    headers = {**api.headers, "Content-Type": "application/octet-stream"}
    with path.open("rb") as file:
        httpx.post(f"{api.url}/v1/files", content=file, headers=headers, timeout=600).raise_for_status()
    whole = time.perf_counter() - start
    with path.open("ab") as file:
        file.write(b"others")  # what the service has already would not be sent
    with Client(api.url, api.api_key) as client:
        start = time.perf_counter()
        client.files.create(path)
    parts = time.perf_counter() - start
    path.unlink()
    return {
        "files_mb_per_second": round(size / MB / whole, 1),
        "files_ratio_to_copy": round(bare / whole, 3),
        "parts_mb_per_second": round(size / MB / parts, 1),
        "parts_ratio_to_copy": round(bare / parts, 3),
    }


def _copied(path: Path, copy: Path) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as source, copy.open("wb") as file:
        while piece := source.read(SEND_BYTES):
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def write(path: Path, line: Callable[[int, list[str]], str], *, rows: int = 0, size: int = 0) -> Path:
    """A file of so many lines, or at least so many bytes."""
    draw = random.Random(SEED)
    words = [f"w{draw.randrange(10**5)}" for _ in range(2_000)]
    texts = [" ".join(draw.choices(words, k=20)) for _ in range(FRAGMENTS)]
    number = written = 0
    with path.open("w", buffering=SEND_BYTES) as file:
        while number < rows or written < size:
            written += file.write(line(number, texts))
            number += 1
    return path


def _plain(number: int, texts: list[str]) -> str:
    """About 300 bytes."""
    first, second = texts[number % FRAGMENTS], texts[(number // FRAGMENTS + 7 * number) % FRAGMENTS]
    return f'{{"id":"r{number}","prompt":"{first}\\n{number}?","completion":"{second}"}}\n'


def _with_metadata(number: int, texts: list[str]) -> str:
    return _plain(number, texts)[:-2] + ',"metadata":{"source":"generator-1","score":0.5}}\n'


def _chat(number: int, texts: list[str]) -> str:
    first, second = texts[number % FRAGMENTS], texts[(number // FRAGMENTS + 7 * number) % FRAGMENTS]
    turns = f'{{"role":"user","content":"{first}\\n{number}?"}},{{"role":"assistant","content":"{second}"}}'
    return f'{{"id":"r{number}","messages":[{turns}]}}\n'


def _against_orjson(api: Served, path: Path) -> dict[str, Any]:
    bare = _bare_loop(path)
    with growth(api.process.pid, every=0.02) as grown:
        seconds, accepted = _ingest(api, path)
    size = path.stat().st_size
    return {
        "ratio_to_orjson": round(bare / seconds, 3),
        "rss_growth_mb": round(grown[0] / MB, 1),
        "mb_per_second": round(size / MB / seconds, 1),
        "orjson_mb_per_second": round(size / MB / bare, 1),
        "records": accepted,
        "bytes": size,
    }


def _bare_loop(path: Path) -> float:
    start = time.perf_counter()
    with path.open("rb") as file:
        for line in file:
            orjson.loads(line)
    return time.perf_counter() - start


def _ingest(api: Served, path: Path) -> tuple[float, int]:
    """Seconds from the first byte sent to the answer, and the records that were accepted."""
    pool_id = api.made("/v1/pools", {})["id"]
    host, port = api.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=600, blocksize=SEND_BYTES)
    headers = {**api.headers, "Content-Type": "application/x-ndjson"}
    headers["Content-Length"] = str(path.stat().st_size)
    start = time.perf_counter()
    with path.open("rb") as file:
        connection.request("POST", f"/v1/pools/{pool_id}/batches", body=file, headers=headers)
        answer = connection.getresponse()
    body = answer.read()
    seconds = time.perf_counter() - start
    connection.close()
    if answer.status != http.client.CREATED:
        raise RuntimeError(f"ingestion was answered {answer.status}: {body[:500]!r}")
    return seconds, json.loads(body)["counts"]["accepted"]


def _completed_selection(api: Served, count: int) -> str:
    """A selection that a worker would have completed with so many items."""
    sent = [{"prompt": f"{n}?", "completion": str(n)} for n in range(10)]
    job_id: str = api.made("/v1/selections", {"target": sent[:2], "candidates": sent[2:], "k": 1})["id"]
    stored = selected.put(Artifacts(api.settings.artifacts_url), "items", [_item(n) for n in range(count)])
    database = Database(api.settings.database_url)
    with database.transaction() as session:
        later = func.clock_timestamp() + timedelta(days=1)
        session.execute(update(Shard).where(Shard.job_id != job_id).values(available_at=later))
        for phase in ("features", "transport"):
            for _ in shards.of_phase(session, job_id, phase):
                claim = claims.claim(session, Offer(plans.QUEUE[phase], (phase,), "benchmark", 60))
                if claim is None or claim.job_id != job_id:
                    raise RuntimeError(f"the shards of {job_id} cannot be claimed")
                shards.commit(session, claim, {}, {"artifacts": {"items": stored.stored()}})
    database.dispose()
    return job_id


def _item(number: int) -> dict[str, Any]:
    texts = [f"some words of record {number} " * 4]
    record = {"id": f"r{number}", "prompt": texts[0], "completion": texts[0]}
    served_targets = [{"id": f"t{n}", "cosine": 0.123456789, "mass": 1e-05} for n in range(3)]
    return {
        "rank": number + 1,
        "id": f"r{number}",
        "content_hash": f"{number:064x}",
        "weight": 1e-05,
        "repeats": 1,
        "score": 0.123456789,
        "ot_gradient": -0.123456789,
        "redundancy": 0.25,
        "nearest_selected": f"r{number // 2}",
        "targets": served_targets,
        "why": "serves target 1 (cosine 0.123) with mass 1.00e-05; 0.25 similar items selected",
        "record": record,
    }


def main() -> int:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--large-bytes", type=int, default=LARGE_BYTES)
    parser.add_argument("--file-bytes", type=int, default=FILE_BYTES)
    parser.add_argument("--items", type=int, default=ITEMS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as api:
        found = measure(api, Path(name), records=options.records, large_bytes=options.large_bytes)
        found |= measure_files(api, Path(name), options.file_bytes)
        found |= measure_items(api, options.items)
    found["machine"] = describe()
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        for key, value in found.items():
            print(f"{key:40} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
