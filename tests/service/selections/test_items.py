"""Parquet and Arrow in, the same rows with the same schema out."""

import io
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evoselect_client import Client
from store.artifacts import Artifacts
from store.data import pools
from store.jobs.claims import Claim, Offer
from store.jobs.requests import SelectionWork
from store.results import items as selected
from tests.live import Api, question
from tests.service.finishing import finish
from tests.service.intake.test_writer import PARQUET, new_pool, send
from workers.context import Context
from workers.process.work import Work
from workers.selections.originals import kept_of, table_of

ROWS = 12
SOURCE = pa.table(
    {
        "prompt": pa.array([f"{n}?" for n in range(ROWS)], pa.large_string()),
        "completion": pa.array([f"{n}." for n in range(ROWS)], pa.string_view()),
        "day": pa.array([date(2026, 1, n + 1) for n in range(ROWS)]),
        "price": pa.array([Decimal(n) / 100 for n in range(ROWS)], pa.decimal128(10, 2)),
        "parts": pa.array(
            [[{"a": n, "b": None}] * (n % 3) for n in range(ROWS)],
            pa.list_(
                pa.struct([pa.field("a", pa.int16(), nullable=False), pa.field("b", pa.large_string())])
            ),
        ),
        "kind": pa.array([f"k{n % 3}" for n in range(ROWS)])
        .dictionary_encode()
        .cast(pa.dictionary(pa.int8(), pa.string())),
        "kinds": pa.array([[f"k{n % 2}"] for n in range(ROWS)], pa.list_(pa.string())),
        "seen": pa.array([n + 1 for n in range(ROWS)], pa.timestamp("ns", "UTC")),
        "time": pa.array([n + 1 for n in range(ROWS)], pa.time64("ns")),
        "score": pa.array([float("nan"), None, *[n / 7 for n in range(2, ROWS)]], pa.float32()),
        "nothing": pa.nulls(ROWS),
        "counts": pa.array([{"x": n} for n in range(ROWS)], pa.map_(pa.string(), pa.uint8())),
        "pair": pa.array([[n, n] for n in range(ROWS)], pa.list_(pa.int8(), 2)),
        "__index_level_0__": pa.array([n * 10 for n in range(ROWS)], pa.int64()),
    }
).replace_schema_metadata({"pandas": "{}", "huggingface": '{"info": {}}'})
ORDER = [7, 0, 11, 3, 1]


def written(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=5)
    return sink.getvalue()


def selection(api: Api, pool_id: str, order: list[int]) -> str:
    """A completed selection of these rows of the pool, its files written as a worker writes them."""
    body = {"target": [question(99)], "pool_id": pool_id, "k": len(order)}
    job = api.made("/v1/selections", body)
    known = api.get(f"/v1/pools/{pool_id}/records?limit=100")["data"]
    rows = [known[row]["record"] for row in order]
    items = [
        {"rank": rank, "id": row["id"], "content_hash": row["content_hash"], "weight": 0.5, "record": row}
        for rank, row in enumerate(rows, 1)
    ]
    api.settings.home.mkdir(parents=True, exist_ok=True)
    context = Context(api.settings, api.database, Artifacts(api.settings.artifacts_url))
    claim = Claim(
        "", job["id"], api.tenant_id, "transport", 1, 1, {}, job["request"], None, Offer("", (), "", 1)
    )
    work = Work(claim, context, lambda rows: None)
    contents = [row["content_hash"] for row in rows]
    with api.database.transaction() as session:
        pool = pools.get(session, api.tenant_id, pool_id)
        files = [(source.artifact, source.sha256) for source in pools.sources(session, pool, pool.version)]
    kept = kept_of(work, files, {*contents})
    stored = selected.put(context.artifacts, "t/items", items, kept.originals)
    result = {"items": stored, **table_of(work, work.asked(SelectionWork), kept, contents)}
    finish(api, job["id"], {"artifacts": result})
    return str(job["id"])


def fetched(api: Api, job_id: str, query: str = "") -> pa.Table:
    path = f"/v1/selections/{job_id}/items?format=original{query}"
    answer = api.call("GET", path, headers={"Accept": PARQUET["Content-Type"]})
    assert answer.status_code == 200, answer.text
    return pq.read_table(io.BytesIO(answer.content))


@pytest.mark.parametrize("form", ["parquet", "stream"])
def test_rows_come_back_with_their_schema(
    api: Api, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selected, "GROUP_ROWS", 2)
    pool_id = new_pool(api)
    for part in (SOURCE.slice(0, 5), SOURCE.slice(5)):
        body = written(part, row_group_size=3) if form == "parquet" else stream(part)
        assert send(api, pool_id, body, PARQUET).status_code == 201
    job_id = selection(api, pool_id, ORDER)
    expected = pq.read_table(io.BytesIO(written(rows_of(ORDER))))  # what Parquet makes of the same rows
    found = fetched(api, job_id)
    assert found.schema.equals(expected.schema, check_metadata=True)
    assert found.to_pylist(maps_as_pydicts="strict")[0] == expected.to_pylist(maps_as_pydicts="strict")[0]
    assert same(found, expected)
    assert same(fetched(api, job_id, "&after=1&limit=3"), expected.slice(1, 3))
    told = fetched(api, job_id, "&reasons=true&after=3")
    assert same(told.drop_columns(["_evoselect"]), expected.slice(3))
    assert [why["rank"] for why in told["_evoselect"].to_pylist()] == [4, 5]
    assert same(fetched(api, job_id, "&extra.day=2026-01-12"), expected.slice(2, 1))
    with Client(api.url, api.api_key) as client:
        saved = client.selections.retrieve(job_id).save(tmp_path / "picked.parquet")
    assert same(pq.read_table(saved), expected)
    assert [path.name for path in tmp_path.iterdir()] == ["picked.parquet"]


def rows_of(order: list[int]) -> pa.Table:
    return pa.concat_tables([SOURCE.slice(row, 1) for row in order])


def same(one: pa.Table, other: pa.Table) -> bool:
    """Equal columns; what is no number is like itself."""
    named = zip(one.columns, other.columns, strict=True)
    return one.column_names == other.column_names and all(
        str(a.to_pylist()) == str(b.to_pylist()) and a.type == b.type for a, b in named
    )


def test_a_pool_of_lines_or_of_other_columns_has_no_table(api: Api) -> None:
    few = SOURCE.select(["prompt", "completion"])
    for second in (written(SOURCE.slice(5)), b'{"prompt":"a","completion":"b"}\n'):
        pool_id = new_pool(api)
        assert send(api, pool_id, written(few.slice(0, 5)), PARQUET).status_code == 201
        kind = PARQUET if second.startswith(b"PAR1") else {}
        assert send(api, pool_id, second, kind).status_code == 201
        job_id = selection(api, pool_id, [0, 5])
        path = f"/v1/selections/{job_id}/items?format=original"
        answer = api.call("GET", path, headers={"Accept": PARQUET["Content-Type"]})
        assert (answer.status_code, answer.json()["code"]) == (406, "no_table")
        assert "application/x-ndjson" in answer.json()["detail"]
        assert len(api.call("GET", path).text.splitlines()) == 2


def test_what_parquet_has_no_form_for_is_said(api: Api) -> None:
    empty = pa.array([{}, {}], pa.struct([]))
    pool_id = new_pool(api)
    table = pa.table({"prompt": ["a", "b"], "completion": ["c", "d"], "none": empty})
    assert send(api, pool_id, stream(table), PARQUET).status_code == 201
    job_id = selection(api, pool_id, [1])
    path = f"/v1/selections/{job_id}/items?format=original"
    answer = api.call("GET", path, headers={"Accept": PARQUET["Content-Type"]})
    assert (answer.status_code, answer.json()["code"]) == (406, "no_table")
