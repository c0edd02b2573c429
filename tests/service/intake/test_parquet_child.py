"""Parquet and Arrow: every type is read or refused by name, and no value is more than a bad row."""

import gzip
import io
import tempfile
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.intake.parquet_child import Refused, read_as
from service.intake.stored_files import read_into
from service.intake.writer import BatchWriter
from store.settings import Settings
from tests.live import Api, question
from tests.service.intake.test_writer import PARQUET, new_pool, parquet, send, stored

CASES = Path(__file__).parents[1] / "cases"
STREAM = {"Content-Type": "application/vnd.apache.arrow.stream"}
FILE = {"Content-Type": "application/vnd.apache.arrow.file"}
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 6)


def arrow(table: pa.Table, *, file: bool = False, **options: Any) -> bytes:
    sink = io.BytesIO()
    make = pa.ipc.new_file if file else pa.ipc.new_stream
    with make(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def written(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def with_metadata(fields: dict[str, pa.Array]) -> pa.Table:
    """Records whose metadata have those fields."""
    rows = [question(n) for n in range(len(next(iter(fields.values()))))]
    columns = {name: [row[name] for row in rows] for name in ("prompt", "completion")}
    metadata = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    return pa.table({**columns, "metadata": metadata})


READ: list[tuple[Any, Any, Any]] = [  # type, value, and what it is in JSON
    (pa.null(), None, None),
    (pa.bool_(), True, True),
    *((kind, 7, 7) for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())),
    *((kind, 7, 7) for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())),
    *((kind, 0.5, 0.5) for kind in (pa.float16(), pa.float32(), pa.float64())),
    *((kind, "é", "é") for kind in (pa.string(), pa.large_string(), pa.string_view())),
    *((kind, Decimal("1.50"), "1.50") for kind in (pa.decimal128(5, 2), pa.decimal256(40, 2))),
    *((kind, Decimal("1.50"), "1.50") for kind in (pa.decimal32(5, 2), pa.decimal64(5, 2))),
    (pa.date32(), date(2026, 1, 2), "2026-01-02"),
    (pa.date64(), date(2026, 1, 2), "2026-01-02"),
    (pa.time32("s"), time(1, 2, 3), "01:02:03"),
    (pa.time32("ms"), time(1, 2, 3), "01:02:03"),
    (pa.time64("us"), time(1, 2, 3), "01:02:03"),
    (pa.time64("ns"), time(1, 2, 3), "01:02:03"),
    (pa.timestamp("s"), datetime(2026, 1, 2), "2026-01-02T00:00:00"),
    (pa.timestamp("ms"), datetime(2026, 1, 2), "2026-01-02T00:00:00"),
    (pa.timestamp("us"), MOMENT, "2026-01-02T03:04:05.000006"),
    (pa.timestamp("ns"), 1_767_323_045_000_006_789, "2026-01-02T03:04:05.000006"),
    (pa.timestamp("us", "UTC"), MOMENT, "2026-01-02T03:04:05.000006+00:00"),
    (pa.timestamp("ns", "+01:00"), 0, "1970-01-01T01:00:00+01:00"),
    (pa.dictionary(pa.int32(), pa.string()), "a", "a"),
    (pa.list_(pa.int64()), [1, None], [1, None]),
    (pa.large_list(pa.float64()), [0.5], [0.5]),
    (pa.list_(pa.int64(), 2), [1, 2], [1, 2]),
    (pa.struct([("a", pa.list_(pa.struct([("b", pa.string())])))]), {"a": [{"b": "c"}]}, {"a": [{"b": "c"}]}),
    (pa.map_(pa.string(), pa.int64()), [("a", 1)], {"a": 1}),
    (pa.map_(pa.large_string(), pa.decimal128(3, 1)), [("a", Decimal("1.5"))], {"a": "1.5"}),
    (pa.json_(), '{"a": 1}', '{"a": 1}'),
    (pa.bool8(), 1, 1),
]
REFUSED: list[tuple[Any, Any]] = [
    *((kind, b"\x00") for kind in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(1))),
    *((pa.duration(unit), timedelta(seconds=1)) for unit in ("s", "ms", "us", "ns")),
    (pa.month_day_nano_interval(), pa.MonthDayNano([1, 2, 3])),
    (pa.map_(pa.int64(), pa.string()), [(1, "a")]),
    (pa.uuid(), UUID(int=1).bytes),
    (pa.struct([("a", pa.list_(pa.binary()))]), {"a": [b"\x00"]}),
    (pa.list_view(pa.int64()), [1]),
    (pa.large_list_view(pa.int64()), [1]),
    (pa.run_end_encoded(pa.int32(), pa.int64()), 7),
    (pa.opaque(pa.binary(), "thing", "vendor"), b"x"),
    (pa.fixed_shape_tensor(pa.binary(1), (1,)), [b"x"]),
    (pa.dense_union([pa.field("a", pa.int64())]), None),
    (pa.sparse_union([pa.field("a", pa.int64())]), None),
]


def values_of(kind: Any, value: Any) -> pa.Array:
    if pa.types.is_union(kind):
        make = pa.UnionArray.from_dense if kind.mode == "dense" else pa.UnionArray.from_sparse
        offsets = [pa.array([0], pa.int32())] if kind.mode == "dense" else []
        return make(pa.array([0], pa.int8()), *offsets, [pa.array([7])], ["a"])
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, pa.array([value], kind.storage_type))
    if pa.types.is_run_end_encoded(kind):
        return pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array([value]))
    return pa.array([value], kind)


def forms(table: pa.Table) -> list[tuple[bytes, dict[str, str]]]:
    """The table in every form."""
    return [(written(table), PARQUET), (arrow(table), STREAM), (arrow(table, file=True), FILE)]


def parquet_holds(values: pa.Array) -> bool:
    try:
        written(pa.table({"x": values}))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return False
    return True


def test_every_type_of_arrow_is_in_the_lists() -> None:
    known = {kind.id for kind, *_ in (*READ, *REFUSED)}
    every = {number for name, number in vars(pa.lib).items() if name.startswith("Type_")}
    uncommon = {pa.lib.Type_INTERVAL_MONTHS, pa.lib.Type_INTERVAL_DAY_TIME}  # pyarrow cannot make them
    assert every - known - uncommon == set(), "a type that no test walks through"


@pytest.mark.parametrize("headers", [PARQUET, STREAM, FILE], ids=["parquet", "stream", "file"])
def test_types_that_json_has_are_read(api: Api, headers: dict[str, str]) -> None:
    fields = {f"{n} {kind}": values_of(kind, value) for n, (kind, value, _) in enumerate(READ)}
    expected = {f"{n} {kind}": meaning for n, (kind, _, meaning) in enumerate(READ)}
    if headers is PARQUET:
        fields = {name: values for name, values in fields.items() if parquet_holds(values)}
        assert len(fields) > 35
    table = with_metadata(fields)
    body = written(table) if headers is PARQUET else arrow(table, file=headers is FILE)
    pool_id = new_pool(api)
    answer = send(api, pool_id, body, headers)
    assert answer.status_code == 201, answer.text
    found = stored(api, pool_id)[0].metadata
    assert found == {name: expected[name] for name in fields}


@pytest.mark.parametrize(("kind", "value"), REFUSED, ids=lambda one: f"{one!s:.40}")
def test_types_that_json_has_not_are_refused_by_name(kind: Any, value: Any) -> None:
    assert values_of(kind, value).type == kind  # Arrow has such values
    with pytest.raises(Refused, match=r"metadata\.x.* of type \S+") as caught:
        read_as(pa.struct([("x", kind)]), "metadata")
    assert caught.value.code == "bad_parquet"


def test_a_refused_type_is_a_problem(api: Api) -> None:
    body = written(with_metadata({"x": pa.array([b"\x00"])}))
    answer = send(api, new_pool(api), body, PARQUET)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_parquet")
    assert "metadata.x is of type binary" in answer.json()["detail"]


FAR = 9 * 10**17  # microseconds after 1970: the year 30489
BAD_VALUES = {
    "us": pa.array([FAR], pa.timestamp("us")),
    "s": pa.array([FAR // 10**6], pa.timestamp("s")),
    "before": pa.array([-FAR], pa.timestamp("us", "UTC")),
    "date": pa.array([10**8], pa.int32()).cast(pa.date32()),
    "nan": pa.array([float("nan")], pa.float64()),
    "infinity": pa.array([float("inf")], pa.float32()),
    "text": pa.array([b"\xff"], pa.binary()).view(pa.string()),
}


def test_a_value_that_nothing_can_hold_is_a_bad_row(api: Api) -> None:
    """One bad value in each row but the first."""
    rows = len(BAD_VALUES) + 1
    fields = {}
    for row, (name, bad) in enumerate(BAD_VALUES.items(), 1):
        parts = [pa.nulls(row, bad.type), bad, pa.nulls(rows - row - 1, bad.type)]
        fields[name] = pa.concat_arrays(parts)
    body = written(with_metadata(fields))
    answer = send(api, new_pool(api), body, PARQUET)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_records"), answer.text
    faults = answer.json()["errors"]
    assert [fault["line"] for fault in faults] == list(range(2, rows + 1))
    assert all("metadata" in fault["detail"] for fault in faults)
    pool_id = new_pool(api)
    kept = send(api, pool_id, body, PARQUET, "?on_invalid=skip").json()["counts"]
    assert (kept["accepted"], kept["rejected"]) == (1, rows - 1)
    assert [record.prompt for record in stored(api, pool_id)] == ["0 + 0?"]


def refused_is(answer: httpx.Response, line: int, column: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_records"), answer.text
    (fault,) = answer.json()["errors"]
    assert fault["line"] == line, fault
    assert column in fault["detail"], fault


def text(*values: bytes) -> pa.Array:
    """Texts, of which some are not UTF-8."""
    return pa.array(values, pa.binary()).view(pa.string())


def test_text_that_is_not_utf8_is_a_bad_row(api: Api) -> None:
    """Each column in a row of its own; the first row is good."""
    names = ("id", "prompt", "completion", "group")
    columns = {name: [b"a%d" % row for row in range(5)] for name in names}
    for row, name in enumerate(names, 1):
        columns[name][row] = b"caf\xe9"
    body = written(pa.table({name: text(*values) for name, values in columns.items()}))
    faults = send(api, new_pool(api), body, PARQUET).json()["errors"]
    assert [fault["line"] for fault in faults] == [2, 3, 4, 5]
    assert all(name in fault["detail"] for name, fault in zip(names, faults, strict=True))
    pool_id = new_pool(api)
    assert send(api, pool_id, body, PARQUET, "?on_invalid=skip").json()["counts"]["accepted"] == 1
    assert [record.id for record in stored(api, pool_id)] == ["a0"]


def test_turns_that_are_not_utf8_are_a_bad_row(api: Api) -> None:
    turns = pa.StructArray.from_arrays(
        [text(b"user", b"assistant", b"user", b"assistant"), text(b"a", b"b", b"c", b"\xff")],
        ["role", "content"],
    )
    messages = pa.ListArray.from_arrays(pa.array([0, 2, 4], pa.int32()), turns)
    refused_is(send(api, new_pool(api), written(pa.table({"messages": messages})), PARQUET), 2, "messages")


def test_public_files_that_broke_the_reader_are_bad_rows(api: Api) -> None:
    far = send(api, new_pool(api), (CASES / "far_time.parquet").read_bytes(), PARQUET)
    assert (far.status_code, far.json()["errors"][0]["code"]) == (422, "bad_metadata")
    latin = (CASES / "latin_group.parquet").read_bytes()
    refused_is(send(api, new_pool(api), latin, PARQUET), 2, "group")
    pool_id = new_pool(api)
    assert send(api, pool_id, latin, PARQUET, "?on_invalid=skip").json()["counts"]["accepted"] == 1
    assert len(stored(api, pool_id)) == 1


def test_a_column_twice_is_refused_by_name(api: Api) -> None:
    table = pa.table([["a"], ["b"], ["c"]], names=["prompt", "completion", "prompt"])
    for body, headers in forms(table):
        answer = send(api, new_pool(api), body, headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_parquet"), answer.text
        assert "'prompt' twice" in answer.json()["detail"]
    inner = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    with pytest.raises(Refused, match="metadata has the column 'x' twice"):
        read_as(inner.type, "metadata")


def test_nan_in_metadata_is_the_same_fault_in_every_form(api: Api) -> None:
    bad = b'{"prompt": "a", "completion": "b", "metadata": {"x": NaN}}'
    lines = send(api, new_pool(api), bad, {})
    inline = api.call(
        "POST",
        f"/v1/pools/{new_pool(api)}/batches",
        content=b'{"records": [' + bad + b"]}",
        headers={"Content-Type": "application/json"},
    )
    table = send(api, new_pool(api), written(with_metadata({"x": pa.array([float("nan")])})), PARQUET)
    assert [answer.json()["errors"][0]["code"] for answer in (lines, table)] == ["not_json", "bad_metadata"]
    assert lines.status_code == table.status_code == 422
    assert inline.status_code in (400, 422), inline.text


@pytest.mark.parametrize("form", ["parquet", "stream", "file"])
def test_what_pandas_leaves_after_a_filter_is_read(api: Api, form: str) -> None:
    """An index beside the columns, and answers that one null turned into floats."""
    table = pa.table(
        {
            "prompt": ["a", "b", "c"],
            "completion": pa.array([None, "y", None]),
            "choices": [["x", "y"], None, ["p", "q"]],
            "answer": pa.array([1.0, float("nan"), 0.0]),
            "__index_level_0__": [3, 7, 9],
        }
    )
    bodies = {
        "parquet": (written(table), PARQUET),
        "stream": (arrow(table), STREAM),
        "file": (arrow(table, file=True), FILE),
    }
    pool_id = new_pool(api)
    answer = send(api, pool_id, *bodies[form])
    assert answer.status_code == 201, answer.text
    assert [(r.completion, r.answer) for r in stored(api, pool_id)] == [("y", 1), ("y", None), ("p", 0)]


def test_answers_as_floats_are_read_from_lines_too(api: Api) -> None:
    pool_id = new_pool(api)
    row = {"prompt": "a", "choices": ["x", "y"]}
    assert send(api, pool_id, orjson.dumps({**row, "answer": 1.0}), {}).status_code == 201
    assert [record.answer for record in stored(api, pool_id)] == [1]
    for answer in (0.5, 2.0, -1.0):
        assert send(api, pool_id, orjson.dumps({**row, "answer": answer}), {}).status_code == 422


def test_a_table_packed_as_a_whole_is_read(api: Api) -> None:
    rows = [question(n) for n in range(3)]
    table = pa.Table.from_pylist(rows)
    for body in (gzip.compress(parquet(rows)), gzip.compress(arrow(table)), arrow(table, compression="zstd")):
        made = api.call(
            "POST", "/v1/files", content=body, headers={"Content-Type": "application/octet-stream"}
        )
        pool_id = new_pool(api)
        batch = api.made(f"/v1/pools/{pool_id}/batches", {"file_id": made.json()["id"]})
        assert batch["counts"]["accepted"] == 3


@pytest.mark.parametrize("cut", [8, 300])
def test_a_damaged_arrow_file_is_refused(api: Api, cut: int) -> None:
    table = pa.Table.from_pylist([question(n) for n in range(30)])
    for body, headers in ((arrow(table), STREAM), (arrow(table, file=True), FILE)):
        answer = send(api, new_pool(api), body[:cut], headers)
        assert (answer.status_code, answer.json()["code"]) in ((422, "bad_parquet"), (422, "no_records")), (
            answer.text
        )


NAMES = ["application/jsonl", "application/x-jsonlines", "application/ndjson", "text/plain; charset=utf-8"]


@pytest.mark.parametrize("name", [*NAMES, "application/jsonlines", "application/x-jsonl", "text/x-ndjson"])
def test_lines_have_many_names(api: Api, name: str) -> None:
    pool_id = new_pool(api)
    body = orjson.dumps(question(1)) + b"\n"
    assert send(api, pool_id, body, {"Content-Type": name}).json()["counts"]["accepted"] == 1
    made = api.call("POST", "/v1/files", content=body, headers={"Content-Type": name})
    assert (made.status_code, made.json()["media_type"]) == (201, "application/x-ndjson")


def test_zstd_of_parallel_writers_is_read(api: Api) -> None:
    """Each frame comes after a skippable one (RFC 8878, 3.1.2)."""
    body = (CASES / "parallel.jsonl.zst").read_bytes()
    made = api.call("POST", "/v1/files", content=body, headers={"Content-Type": "application/octet-stream"})
    pool_id = new_pool(api)
    batch = api.made(f"/v1/pools/{pool_id}/batches", {"file_id": made.json()["id"]})
    direct = send(api, new_pool(api), body, {"Content-Encoding": "zstd"}).json()
    assert batch["counts"]["accepted"] == direct["counts"]["accepted"] == 6


@pytest.mark.parametrize("pieces", [1, 2])
def test_zeros_after_gzip_are_padding(api: Api, pieces: int) -> None:
    packed = gzip.compress(orjson.dumps(question(1)) + b"\n") + bytes(512)
    more = gzip.compress(orjson.dumps(question(2)) + b"\n") + bytes(3) if pieces > 1 else b""
    answer = send(api, new_pool(api), packed + more, {"Content-Encoding": "gzip"})
    assert answer.json()["counts"]["accepted"] == pieces
    bad = send(api, new_pool(api), packed + b"more", {"Content-Encoding": "gzip"})
    assert (bad.status_code, bad.json()["code"]) == (400, "bad_encoding")


PLACES = [
    "/livez",
    "/readyz",
    "/version",
    "/metrics",
    "/openapi.json",
    "/v1/pools",
    "/v1/files/{file}/content",
]


@pytest.mark.parametrize("place", PLACES)
def test_head_is_get_without_a_body(api: Api, place: str) -> None:
    made = api.call(
        "POST", "/v1/files", content=b"bytes", headers={"Content-Type": "application/octet-stream"}
    )
    path = place.format(file=made.json()["id"])
    got, head = api.call("GET", path), api.call("HEAD", path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert api.call("HEAD", "/v1/files/file_none").status_code == 404
    assert api.call("HEAD", "/v1/pools/x/batches/nothing").status_code == 404


def test_many_columns_have_more_memory_together() -> None:
    """Each open column holds pages of about 1 MiB, as pyarrow and pandas write them."""
    rows = 1000
    texts = pa.array(["y" * 1400] * rows)
    names = {f"c{n}": texts for n in range(8)}
    table = pa.table({"prompt": [f"{n}?" for n in range(rows)], "completion": ["x"] * rows, **names})
    sink = tempfile.TemporaryFile()  # noqa: SIM115
    pq.write_table(table, sink, compression="none", use_dictionary=False)
    settings = Settings(max_parquet_memory=16 * 2**20)
    with sink, BatchWriter(settings, "reject_batch", None) as writer:
        read_into(writer, sink, settings)
        writer.finish()
        assert writer.counts().accepted == rows
