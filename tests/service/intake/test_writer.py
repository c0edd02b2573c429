"""Batches in every format and encoding: the same records, exact counts, refusals that leave nothing."""

import gzip
import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from store.artifacts import Artifacts
from store.data import pools
from store.records.record import from_table
from tests.live import Api, lines, question

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NDJSON = {"Content-Type": "application/x-ndjson"}
PARQUET = {"Content-Type": "application/vnd.apache.parquet"}
RECORDS = [question(n, group="g", metadata={"n": n}) for n in range(20)]
CHAT = [{"messages": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b"}]}]


def new_pool(api: Api) -> str:
    pool_id: str = api.made("/v1/pools", {})["id"]
    return pool_id


def send(api: Api, pool_id: str, body: bytes, headers: dict[str, str], query: str = "") -> httpx.Response:
    return api.call(
        "POST", f"/v1/pools/{pool_id}/batches{query}", content=body, headers={**NDJSON, **headers}
    )


def stored(api: Api, pool_id: str) -> list[Any]:
    with api.database.transaction() as session:
        pool = pools.get(session, api.tenant_id, pool_id)
        sources = pools.sources(session, pool, pool.version)
    artifacts = Artifacts(api.settings.artifacts_url)
    return [record for one in sources for record in from_table(artifacts.get_table(one.artifact, one.sha256))]


def parquet(rows: list[dict[str, Any]], **options: Any) -> bytes:
    sink = io.BytesIO()
    names = {name: None for row in rows for name in row}
    pq.write_table(pa.Table.from_pylist([names | row for row in rows]), sink, **options)
    return sink.getvalue()


def frame_with_a_wide_window(body: bytes) -> bytes:
    codec = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    return codec.compress(body) + codec.flush()


def test_every_format_and_encoding_gives_the_same_records(api: Api) -> None:
    body = lines(*RECORDS, *CHAT)
    half = len(body) // 2
    ways: list[tuple[bytes, dict[str, str]]] = [
        (body, {}),
        (body.replace(b"\n", b"\r\n"), {}),
        (gzip.compress(body), {"Content-Encoding": "gzip"}),
        (gzip.compress(body[:half]) + gzip.compress(body[half:]), {"Content-Encoding": "gzip"}),
        (zstd.compress(body), {"Content-Encoding": "zstd"}),
        (zstd.compress(body[:half]) + zstd.compress(body[half:]), {"Content-Encoding": "zstd"}),
        (parquet([*RECORDS, *CHAT]), PARQUET),
        (parquet([*RECORDS, *CHAT], compression="gzip", row_group_size=3), PARQUET),
    ]
    found = []
    for content, headers in ways:
        pool_id = new_pool(api)
        answer = send(api, pool_id, content, headers)
        assert answer.status_code == 201, answer.text
        assert answer.json()["counts"]["accepted"] == 21
        found.append(stored(api, pool_id))
    assert all(records == found[0] for records in found)
    assert [record.id for record in found[0]][-1] == found[0][-1].content_hash


@pytest.mark.parametrize("encoding", [None, "gzip", "zstd"])
def test_a_file_is_read_by_what_it_is(api: Api, encoding: str | None) -> None:
    body = lines(*RECORDS)
    packed = {None: body, "gzip": gzip.compress(body), "zstd": zstd.compress(body)}[encoding]
    for content in (packed, parquet(RECORDS)):
        headers = {"Content-Type": "application/octet-stream"}
        file_id = api.call("POST", "/v1/files", content=content, headers=headers).json()["id"]
        pool_id = new_pool(api)
        made = api.made(f"/v1/pools/{pool_id}/batches", {"file_id": file_id})
        assert made["counts"] == {"received": 20, "accepted": 20, "rejected": 0, "duplicates": 0}
        assert api.made("/v1/targets", {"file_id": file_id})["groups"] == {"g": 20}
        assert len(stored(api, pool_id)) == 20


@pytest.mark.parametrize(
    ("body", "encoding", "status", "code"),
    [
        (lines(*RECORDS), "gzip", 400, "bad_encoding"),
        (lines(*RECORDS), "zstd", 400, "bad_encoding"),
        (gzip.compress(lines(*RECORDS))[:-9], "gzip", 400, "truncated_encoding"),
        (zstd.compress(lines(*RECORDS))[:-3], "zstd", 400, "truncated_encoding"),
        (gzip.compress(lines(*RECORDS)) + b"more", "gzip", 400, "bad_encoding"),
        (b"", "gzip", 400, "truncated_encoding"),
        (lines(*RECORDS), "br", 415, "unsupported_encoding"),
        (gzip.compress(b"\n" * (20 * 2**20)), "gzip", 413, "expands_too_much"),
        (zstd.compress(b"\n" * (20 * 2**20)), "zstd", 413, "expands_too_much"),
        (zstd.compress(b"") * 20_000, "zstd", 413, "too_many_frames"),
        (gzip.compress(b"") * 5_000, "gzip", 413, "too_many_frames"),
        (frame_with_a_wide_window(os.urandom(1000)), "zstd", 413, "window_too_large"),
    ],
)
def test_bad_encodings_are_named(api: Api, body: bytes, encoding: str, status: int, code: str) -> None:
    pool_id = new_pool(api)
    answer = send(api, pool_id, body, {"Content-Encoding": encoding})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert api.get(f"/v1/pools/{pool_id}")["version"] == 0


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"", {}, "no_records"),
        (b"\n\n", {}, "no_records"),
        (b"\xff\xfe\n", {}, "invalid_records"),
        (b'{"prompt": "' + b"a" * 2**20 + b'"}', {}, "line_too_long"),
        (b"a" * (2**20 + 1), {}, "line_too_long"),
        (b"[" * 100_000 + b"\n", {}, "invalid_records"),
        (b"PAR1", PARQUET, "bad_parquet"),
        (parquet(RECORDS)[:-20], PARQUET, "bad_parquet"),
        (parquet(RECORDS)[:40] + bytes(40) + parquet(RECORDS)[80:], PARQUET, "bad_parquet"),
        (parquet([{"question": "a"}]), PARQUET, "invalid_records"),
        (parquet([{"prompt": 7, "completion": "a"}]), PARQUET, "invalid_records"),
    ],
)
def test_bad_bodies_are_named(api: Api, body: bytes, headers: dict[str, str], code: str) -> None:
    pool_id = new_pool(api)
    answer = send(api, pool_id, body, headers)
    assert answer.json()["code"] == code, answer.text
    assert answer.status_code in (413, 422)
    assert api.get(f"/v1/pools/{pool_id}")["version"] == 0


def test_bad_lines_among_plain_ones_are_found_in_their_places(api: Api) -> None:
    rows: list[Any] = [question(n) for n in range(3000)]
    bad = {
        5: {"prompt": " ", "completion": "x"},
        700: {"prompt": "a"},
        2999: {"prompt": "", "completion": "b"},
    }
    for place, row in bad.items():
        rows[place] = row
    rows[9] = CHAT[0]
    pool_id = new_pool(api)
    made = send(api, pool_id, lines(*rows), {}, "?on_invalid=skip").json()
    assert made["counts"] == {"received": 3000, "accepted": 2997, "rejected": 3, "duplicates": 0}
    assert [fault["line"] for fault in made["errors"]] == [6, 701, 3000]
    prompts = [record.prompt for record in stored(api, pool_id)]
    expected = [row.get("prompt") for place, row in enumerate(rows) if place not in bad]
    assert prompts == expected


def test_all_bad_lines_are_in_the_error_file(api: Api) -> None:
    body = lines(question(1), *[{"prompt": str(n)} for n in range(250)], "{", question(2))
    made = send(api, new_pool(api), body, {}, "?on_invalid=skip").json()
    assert made["counts"] == {"received": 253, "accepted": 2, "rejected": 251, "duplicates": 0}
    assert len(made["errors"]) == 100
    answer = api.call("GET", f"/v1/files/{made['error_file_id']}/content")
    faults = [orjson.loads(line) for line in answer.content.splitlines()]
    assert [fault["line"] for fault in faults] == list(range(2, 253))
    assert {fault["code"] for fault in faults} == {"no_completion", "not_json"}
    assert all(fault["detail"] for fault in faults)


def test_a_content_is_stored_once_in_a_pool(api: Api) -> None:
    pool_id = new_pool(api)
    first = send(api, pool_id, lines(*[question(n) for n in range(100)]), {}).json()["counts"]
    again = send(api, pool_id, lines(*[question(n, id=f"x{n}") for n in range(50, 150)]), {}).json()["counts"]
    inline = api.made(f"/v1/pools/{pool_id}/batches", {"records": [question(1), question(149)]})["counts"]
    assert [counts["duplicates"] for counts in (first, again, inline)] == [0, 50, 2]
    assert api.get(f"/v1/pools/{pool_id}") | {"count": 150, "version": 3} == api.get(f"/v1/pools/{pool_id}")
    assert len({record.content_hash for record in stored(api, pool_id)}) == 150
    versions = [row["version"] for row in api.get(f"/v1/pools/{pool_id}/batches?after=1")["data"]]
    assert versions == [2, 3]


def test_batches_at_the_same_time_store_a_content_once(api: Api) -> None:
    pool_id = new_pool(api)
    body = lines(*[question(n) for n in range(500)])
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: send(api, pool_id, body, {}), range(12)))
    assert [answer.status_code for answer in answers] == [201] * 12, [answer.text for answer in answers]
    assert sum(answer.json()["counts"]["duplicates"] for answer in answers) == 11 * 500
    assert len(stored(api, pool_id)) == 500
    assert sorted(answer.json()["version"] for answer in answers) == list(range(1, 13))


def test_a_target_holds_out_a_share_of_every_group(api: Api) -> None:
    records = [question(n, group="ab"[n % 2]) for n in range(40)] + [question(0, group="a")]
    made = api.made("/v1/targets", {"records": records, "held_out": {"ratio": 0.25, "seed": 3}})
    apart = api.get(f"/v1/targets/{made['held_out_target_id']}")
    assert made["count"] + apart["count"] == 41
    assert apart["groups"]["b"] == 5
    again = api.made("/v1/targets", {"records": records, "held_out": {"ratio": 0.25, "seed": 3}})
    assert (again["groups"], again["count"]) == (made["groups"], made["count"])
    refused = api.post("/v1/targets", {"records": records[:1], "held_out": {"ratio": 0.5}})
    assert (refused.status_code, refused.json()["code"]) == (422, "nothing_held_out")
