"""Bodies that cost more than they weigh: fields nobody knows, patterns, frames, large batches, Parquet."""

import io
import itertools
import os
import sys
from functools import cache

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.hostile.attacks.stage import Attack, Stage, repeated

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
PARQUET = {"Content-Type": "application/vnd.apache.parquet"}
SOME = [{"prompt": "1 + 1?", "completion": "2"}]
FRESH = itertools.count()


def _unknown_fields(stage: Stage) -> None:
    """200,000 fields that no request has, 14 MB of brackets, a quota for everybody."""
    many = orjson.dumps({f"field{n}": n for n in range(200_000)})
    quotas = {
        "target": SOME,
        "candidates": SOME,
        "k": 1,
        "spec": {"quotas": dict.fromkeys(map(str, range(200_000)), 1)},
    }
    for content in (many, b"[" + b"[]," * (14 * 2**20 // 3) + b"[]]", orjson.dumps(quotas)):
        stage.send("POST", "/v1/selections", content=content, headers=JSON)


def _patterns(stage: Stage) -> None:
    """Regular expressions that never end, for the API and for the worker of features."""
    for pattern in ("a?" * 10**6, "(" + "|".join(["a", "aa"] * 10) + ")*b", "(a+)+" * 20 + "b"):
        body = {"target": SOME, "candidates": SOME, "k": 1, "features": {"modules": pattern}}
        stage.send("POST", "/v1/selections", json=body)


def _frames(stage: Stage) -> None:
    """4 MB of empty zstd frames."""
    pool = stage.made("/v1/pools", {})
    empty = zstd.compress(b"")
    headers = {**NDJSON, "Content-Encoding": "zstd"}
    content = empty * (4 * 2**20 // len(empty))
    stage.at_once(
        8, lambda _: stage.send("POST", f"/v1/pools/{pool}/batches", content=content, headers=headers)
    )


def _large_batches(stage: Stage) -> None:
    """45 JSON batches of 12 MB at once."""
    pool = stage.made("/v1/pools", {})
    text = os.urandom(5_000).hex()
    number = next(FRESH)
    records = [{"prompt": f"{number} {n} {text}?", "completion": "a"} for n in range(12 * 2**20 // len(text))]
    content = orjson.dumps({"records": records})
    stage.at_once(
        45, lambda _: stage.send("POST", f"/v1/pools/{pool}/batches", content=content, headers=JSON)
    )


@cache
def _table() -> bytes:
    file = io.BytesIO()
    texts = [os.urandom(100).hex() for _ in range(50_000)]
    pq.write_table(pa.table({"prompt": texts, "completion": texts}), file)
    return file.getvalue()


def _parquet(stage: Stage) -> None:
    """20 Parquet bodies at once."""
    pool = stage.made("/v1/pools", {})
    stage.at_once(
        20, lambda _: stage.send("POST", f"/v1/pools/{pool}/batches", content=_table(), headers=PARQUET)
    )


ATTACKS: dict[str, Attack] = {
    "unknown fields": repeated(_unknown_fields),
    "patterns": repeated(_patterns),
    "frame bombs": repeated(_frames),
    "large batches": repeated(_large_batches),
    "parquet bodies": repeated(_parquet),
}
