"""Rows of every shape and file through the API: recognised, mapped, counted, and kept as they came."""

import io
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.http.problems import Problem
from service.intake import texts
from service.intake.foreign import as_values
from service.intake.writer import BatchWriter
from store.artifacts import Artifacts
from store.data import pools
from store.records.layout import Layout
from store.records.shapes import SHAPES
from tests.live import Api, lines
from tests.service.intake.test_writer import PARQUET, parquet
from tests.store.records.rows_on_disk import ASSISTANT, ROWS, USER

NDJSON, CSV = "application/x-ndjson", "text/csv"
ALPACA = [{"instruction": f"Add {n}.", "input": "", "output": str(n), "topic": "sums"} for n in range(3)]


def sent(api: Api, body: bytes, kind: str = NDJSON, query: str = "") -> httpx.Response:
    pool_id = api.made("/v1/pools", {})["id"]
    headers = {"Content-Type": kind}
    return api.call("POST", f"/v1/pools/{pool_id}/batches{query}", content=body, headers=headers)


def accepted(api: Api, body: bytes, kind: str = NDJSON, query: str = "") -> tuple[Any, pa.Table]:
    """The answer and what was stored."""
    answer = sent(api, body, kind, query)
    assert answer.status_code == 201, answer.text
    batch = answer.json()
    with api.database.transaction() as session:
        pool = pools.get(session, api.tenant_id, batch["pool_id"])
        (source,) = pools.sources(session, pool, pool.version)
    return batch, Artifacts(api.settings.artifacts_url).get_table(source.artifact, source.sha256)


def test_mixed_shapes_are_recognised_and_kept_byte_for_byte(api: Api) -> None:
    rows = [orjson.dumps(kept.row) for kept in ROWS if kept.prompt is not None]
    rows = [b" " + row.replace(b":", b" : ") if n % 2 else row for n, row in enumerate(rows)]
    batch, table = accepted(api, b"\n".join(rows))
    distinct = len({*table["content_hash"].to_pylist()})
    assert batch["counts"] == {
        "received": len(rows),
        "accepted": len(rows),
        "rejected": 0,
        "duplicates": len(rows) - distinct,
    }
    assert sum(batch["recognised"]["shapes"].values()) == len(rows)
    assert {*table["original"].to_pylist()} <= {row.decode() for row in rows}
    assert table["original"].null_count == 0


def test_plain_lines_are_kept_by_the_fast_path_too(api: Api) -> None:
    plain = [b'{"prompt": "%d?",  "completion": "x"}' % n for n in range(50)]
    chats = [orjson.dumps({"messages": [{**USER, "content": f"{n}"}, ASSISTANT]}) for n in range(5)]
    last = b'{"id": 9, "prompt": "a", "completion": "b"}'
    batch, table = accepted(api, b"\r\n".join([*plain, *chats, last]))
    assert batch["recognised"] == {
        "shapes": {"messages": 5, "prompt_completion": 51},
        "extra": [],
        "example": None,
    }
    assert table["original"].to_pylist() == [line.decode() for line in [*plain, *chats, last]]
    assert table["id"].to_pylist()[-1] == "9"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (lines(*ALPACA), NDJSON),
        (b"\xef\xbb\xbf" + lines(*ALPACA), NDJSON),
        (b"instruction,input,output,topic\nAdd 0.,,0,sums\nAdd 1.,,1,sums\nAdd 2.,,2,sums\n", CSV),
        (
            b"\xef\xbb\xbfinstruction\toutput\ttopic\r\n"
            b"Add 0.\t0\tsums\r\nAdd 1.\t1\tsums\r\nAdd 2.\t2\tsums",
            "text/tab-separated-values",
        ),
    ],
)
def test_the_same_rows_of_several_kinds_of_text(api: Api, body: bytes, kind: str) -> None:
    batch, table = accepted(api, body, kind)
    assert table["prompt"].to_pylist() == ["Add 0.\n\n", "Add 1.\n\n", "Add 2.\n\n"]
    assert batch["recognised"]["shapes"] == {"alpaca": 3}
    assert batch["recognised"]["extra"] == ["topic"]
    assert [orjson.loads(row)["output"] for row in table["original"].to_pylist()] == ["0", "1", "2"]


def test_cells_may_hold_separators_lines_quotes_and_json(api: Api) -> None:
    rows = ['"a, ""b""\nc?","[""x"", ""y""]",1,"[no json"', '"one?","[""x"",""z""]",0,', ""]
    body = "\n".join(["prompt,choices,answer,note", *rows])
    _, table = accepted(api, body.encode(), CSV)
    assert table["prompt"].to_pylist() == ['a, "b"\nc?', "one?"]
    assert table["choices"].to_pylist() == [["x", "y"], ["x", "z"]]
    assert table["completion"].to_pylist() == ["y", "x"]
    assert table["extra"].to_pylist() == ['{"note":"[no json"}', None]


def test_a_list_in_a_file_and_a_table_with_more_columns(api: Api) -> None:
    sink = io.BytesIO()
    wide = [{**row, "n": n, "scores": [0.5, n]} for n, row in enumerate(ALPACA)]
    pq.write_table(pa.Table.from_pylist(wide), sink)
    for body in (orjson.dumps(wide, option=orjson.OPT_INDENT_2), sink.getvalue()):
        headers = {"Content-Type": "application/octet-stream"}
        file_id = api.call("POST", "/v1/files", content=body, headers=headers).json()["id"]
        pool_id = api.made("/v1/pools", {})["id"]
        batch = api.made(f"/v1/pools/{pool_id}/batches", {"file_id": file_id})
        assert batch["recognised"]["shapes"] == {"alpaca": 3}
        assert batch["recognised"]["extra"] == ["n", "scores", "topic"]
        target = api.made("/v1/targets", {"file_id": file_id})
        assert target["recognised"]["shapes"] == {"alpaca": 3}
        assert target["recognised"]["example"]["record"].startswith('{"prompt":"Add 0.')


def test_columns_by_the_query_and_by_the_body(api: Api) -> None:
    rows = [{"ask": f"{n}?", "say": "x", "n": n} for n in range(2)]
    batch, table = accepted(api, lines(*rows), query="?columns=prompt:ask&columns=completion:say")
    assert batch["recognised"]["shapes"] == {"columns": 2}
    assert table["extra"].to_pylist() == ['{"n":0}', '{"n":1}']
    columns = {"prompt": "ask", "completion": "say"}
    target = api.made("/v1/targets", {"records": rows, "columns": columns})
    assert target["recognised"]["extra"] == ["n"]
    refused = api.post("/v1/targets", {"records": rows, "columns": columns, "format": "alpaca"})
    assert refused.status_code == 422
    assert "send one of the two" in refused.text


@pytest.mark.parametrize(
    ("body", "kind", "query", "code", "said"),
    [
        (lines({"a": 1}), NDJSON, "", "invalid_records", "none of the shapes"),
        (lines(*ALPACA), NDJSON, "?format=dolly", "invalid_records", "has no response"),
        (lines(*ALPACA), NDJSON, "?format=parrot", "invalid_request", "format"),
        (lines(*ALPACA), NDJSON, "?columns=prompt", "invalid_request", "columns"),
        (lines(*ALPACA), NDJSON, "?columns=color:topic", "invalid_request", "columns"),
        (
            lines(*ALPACA),
            NDJSON,
            "?columns=prompt:topic&columns=prompt:instruction",
            "invalid_request",
            "two columns for prompt",
        ),
        (
            lines(*ALPACA),
            NDJSON,
            "?columns=prompt:nowhere",
            "invalid_records",
            "There is no column 'nowhere'",
        ),
        (b"prompt,completion\na\n", CSV, "", "invalid_records", "1 cells for 2 names"),
        (b"prompt,prompt\na,b\n", CSV, "", "bad_table", "names the column 'prompt' twice"),
        (b"prompt,\na,b\n", CSV, "", "bad_table", "without a name"),
        (b'prompt,completion\n"a,b\n', CSV, "", "bad_table", "cannot be read"),
        (b"prompt,completion\n\xff,b\n", CSV, "", "bad_table", "not UTF-8"),
        (b"prompt,completion\n", CSV, "", "no_records", "0 records"),
        (b'[{"prompt": "a"', CSV, "", "not_json", "begins as a JSON list"),
    ],
)
def test_what_cannot_be_read_is_named(
    api: Api, body: bytes, kind: str, query: str, code: str, said: str
) -> None:
    answer = sent(api, body, kind, query)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == code
    assert said in answer.text


def test_a_mapping_that_gives_empty_prompts_is_counted_by_reason(api: Api) -> None:
    rows: list[Any] = [{"ask": ask, "say": "x"} for ask in ("a", "", " ", "b", 7)] + [{"say": "x"}]
    query = "?columns=prompt:ask&columns=completion:say"
    refused = sent(api, lines(*rows), query=query).json()
    assert (
        "4 of 6 records cannot be used (2 empty_prompt, 1 wrong_type, 1 no_such_column)" in refused["detail"]
    )
    batch, table = accepted(api, lines(*rows), query=f"{query}&on_invalid=skip")
    assert batch["reasons"] == {"empty_prompt": 2, "wrong_type": 1, "no_such_column": 1}
    assert table["prompt"].to_pylist() == ["a", "b"]
    file = api.call("GET", f"/v1/files/{batch['error_file_id']}/content")
    assert [orjson.loads(line)["line"] for line in file.text.splitlines()] == [2, 3, 5, 6]


def test_further_columns_are_bounded_however_they_come(api: Api) -> None:
    """Of 1 MB and nested; one row of several in a block."""
    rows = [
        {"prompt": f"{n}?", "completion": "x", "more": {"a": [{"b": "y" * n * 70_000}]}} for n in range(3)
    ]
    for body, kind in ((lines(*rows), NDJSON), (parquet(rows), PARQUET["Content-Type"])):
        refused = sent(api, body, kind).json()
        assert [fault["line"] for fault in refused["errors"]] == [2, 3]
        assert {fault["code"] for fault in refused["errors"]} == {"too_large"}
        assert "extra takes 70" in refused["detail"]
    rows[1]["more"] = {"a": [{"b": "y" * 2**20}]}
    assert sent(api, lines(*rows)).json()["code"] == "line_too_long"
    assert sent(api, parquet(rows), PARQUET["Content-Type"]).json()["code"] == "invalid_records"


def test_dictionaries_and_large_texts_as_the_columns_of_a_shape(api: Api) -> None:
    asked = pa.array([f"Add {n}." for n in range(3)], pa.large_string())
    said = pa.array(["4", "4", None]).dictionary_encode()
    table = pa.table({"instruction": asked, "output": said, "source": said, "none": pa.nulls(3)})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    batch, stored = accepted(api, sink.getvalue(), PARQUET["Content-Type"], "?on_invalid=skip")
    assert (batch["recognised"]["shapes"], batch["reasons"]) == ({"alpaca": 2}, {"unknown_shape": 1})
    assert stored["extra"].to_pylist() == ['{"source":"4"}'] * 2
    assert stored["original"].to_pylist()[0] == '{"instruction":"Add 0.","output":"4","source":"4"}'


@pytest.mark.parametrize(
    "half", [b'{"prompt":"a","completion":"b","n":"\\ud800"}', b'{"instruction":"\\udfff","output":"b"}']
)
def test_half_a_character_beside_good_rows_is_one_bad_line(api: Api, half: bytes) -> None:
    good = orjson.dumps({**orjson.loads(half.replace(b"\\ud800", b"").replace(b"\\udfff", b"c")), "more": 1})
    refused = sent(api, lines(good, half, good)).json()
    assert [(fault["line"], fault["code"]) for fault in refused["errors"]] == [(2, "not_json")]


@pytest.mark.parametrize(
    "rest", [b"x" * 3000, b'"a\n",' * 1000, b'"' + b"a\n" * 1000], ids=["line", "row", "cell"]
)
def test_a_row_without_an_end_is_not_held(api: Api, rest: bytes) -> None:
    with BatchWriter(api.settings, "skip", None) as writer, pytest.raises(Problem) as refused:
        texts.feed_table(writer, pieces(b"prompt,completion\na,b\n" + rest, 500), ",", 1000)
    assert refused.value.code in ("line_too_long", "bad_table")


def test_empty_lines_of_a_table_end_nothing(api: Api) -> None:
    body = b"prompt,completion\na,b\n" + b"\n" * 3000 + b"c,d\n"
    assert accepted(api, body, CSV)[0]["counts"]["accepted"] == 2


def test_a_bad_row_of_a_table_is_told_by_its_line(api: Api) -> None:
    answer = sent(api, b"prompt,completion\na,b\nc,\n", CSV)
    assert answer.json()["errors"][0]["line"] == 3


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_list_is_read_in_pieces_of_any_size(api: Api, size: int) -> None:
    text = (
        ' [\n {"prompt": "ä, [1]", "completion" : "b"},{"prompt":"}]","completion":"\\n!"}\n'
        ',\n{\n"prompt":"c"\n, "completion":"d"}]\n '
    )
    with BatchWriter(api.settings, "reject_batch", None) as writer:
        texts.feed_list(writer, pieces(b"\xef\xbb\xbf" + text.encode(), size), 1000)
        writer.finish()
        (table,) = writer.kept.stored.tables()
    assert table["original"].to_pylist() == [
        '{"prompt": "ä, [1]", "completion" : "b"}',
        '{"prompt":"}]","completion":"\\n!"}',
        '{"prompt": "c", "completion": "d"}',
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[",
        '[{"a": 1}',
        '[{"a": 1} {"a": 1}]',
        "[1, 2]]",
        '[{"a": "' + "x" * 2000 + '"}]',
        "[" * 5000,
        "[\xff]",
    ],
)
def test_a_list_that_is_none_is_refused(api: Api, text: str) -> None:
    with BatchWriter(api.settings, "skip", None) as writer, pytest.raises(Problem) as refused:
        texts.feed_list(writer, pieces(text.encode("latin-1"), 500), 1000)
    assert refused.value.code == "not_json"


def test_blocks_with_further_columns_are_read_as_one_by_one(api: Api) -> None:
    """Good rows, bad ones and other shapes in one block, as lines and as a table."""
    rows: list[Any] = [
        {"instruction": f"Add {n}.", "output": str(n), "source": 'w"eb', "score": n / 3, "day": "4", "id": n}
        for n in range(6)
    ]
    rows[2]["output"] = " "
    rows[3] |= {"prompt": "a", "completion": "b"}  # two shapes
    rows[4] |= {"system": "Be brief.", "score": 2}
    rows.append({"prompt": "a", "completion": "b", "source": "books"})

    def read(feed: Callable[[BatchWriter], object]) -> Any:
        with BatchWriter(api.settings, "skip", None) as writer:
            feed(writer)
            writer.finish()
            (table,) = writer.kept.stored.tables()
            return table.to_pylist(), writer.recognised.as_json(), writer.faults, writer.counts()

    written = [orjson.dumps(row) for row in rows]
    by_lines = read(lambda writer: writer.feed(lines(*written)))
    assert by_lines == read(lambda writer: writer.take_lines(written))
    assert by_lines[1]["shapes"] == {"alpaca": 4, "prompt_completion": 1}
    table = pa.Table.from_pylist([dict.fromkeys(name for one in rows for name in one) | row for row in rows])
    by_table = read(lambda writer: writer.add_table(table))
    assert by_table == read(lambda writer: writer.add_values(as_values(table)))
    assert by_table[2:] == by_lines[2:]


@pytest.mark.parametrize("name", [name for name, shape in SHAPES.items() if shape.texts])
def test_rows_of_texts_are_read_by_columns_as_one_by_one(
    api: Api, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts_ = SHAPES[name].texts
    assert texts_ is not None
    values = ["a", "", None, " b\n", "ä", "x" * 300]
    rows: list[dict[str, Any]] = [
        dict(zip((*texts_.parts, texts_.answer), picked, strict=True))
        for picked in itertools.product(values, repeat=len(texts_.parts) + 1)
    ]
    rows = [rows[-1], *rows]  # the first line tells the shape

    def read(layout: Layout) -> tuple[list[pa.Table], Any, list[Any]]:
        with BatchWriter(api.settings, "skip", None, layout) as writer:
            writer.feed(lines(*rows))
            writer.finish()
            return list(writer.kept.stored.tables()), writer.recognised.as_json(), writer.faults

    by_columns = [read(layout) for layout in (Layout(), Layout(name))]
    monkeypatch.setattr("service.intake.ahead.texts_of", lambda row, format: None)
    assert by_columns == [read(layout) for layout in (Layout(), Layout(name))]
    assert by_columns[0][1]["shapes"][name] >= 4
