"""Prompts by a user's template: what it makes of rows, and that nothing it does reaches the service."""

import io
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.http.fields import MAX_TEMPLATE_CHARS
from service.http.problems import Problem
from service.http.shares import Shares
from service.intake.prompts import Prompts
from store.records.faults import InvalidRecord
from store.records.layout import Filled, Layout, read_row
from store.records.record import Record
from tests.live import Api, lines
from tests.service.intake.test_shapes import CSV, NDJSON, accepted, sent

TEMPLATE = "Question: {{ question }}\n{{ context }}"
ROW = {"question": "2 + 2?", "context": "Sums.", "answer": "4", "topic": "sums"}
TURNS = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


def query(**said: Any) -> str:
    return "?" + urlencode(said, doseq=True)


def made(template: str, *rows: Any, columns: Sequence[str] = ()) -> list[str]:
    """The prompts, or the codes of the faults."""
    with Prompts(template) as prompts:
        found = [prompt for _, prompt in prompts.beside(rows, columns)]
    return [one.prompt if isinstance(one, Filled) else getattr(one, "code", "no row") for one in found]


def read(row: dict[str, Any], template: str, **layout: Any) -> tuple[Record, str]:
    with Prompts(template) as prompts:
        ((value, prompt),) = prompts.beside([row])
    return read_row(value, Layout(**layout, template=template), prompt)


def test_a_prompt_of_a_rows_columns_and_the_row_as_it_came(api: Api) -> None:
    body = b'{"question":"2 + 2?",  "context": "Sums.", "answer": "4", "topic": "sums"}'
    batch, table = accepted(api, body, query=query(template=TEMPLATE))
    assert table["prompt"].to_pylist() == ["Question: 2 + 2?\nSums."]
    assert table["completion"].to_pylist() == ["4"]
    assert table["extra"].to_pylist() == ['{"topic":"sums"}']
    assert table["original"].to_pylist() == [body.decode()]
    found = batch["recognised"]
    assert (found["shapes"], found["extra"]) == ({"question_answer": 1}, ["topic"])
    assert orjson.loads(found["example"]["given"]) == ROW
    assert orjson.loads(found["example"]["record"])["prompt"] == "Question: 2 + 2?\nSums."


def test_targets_files_json_bodies_and_evaluations_take_it_too(api: Api) -> None:
    pool = api.made("/v1/pools", {})["id"]
    batch = api.made(
        f"/v1/pools/{pool}/batches", {"records": [ROW, 7], "template": TEMPLATE, "on_invalid": "skip"}
    )
    assert batch["reasons"] == {"not_an_object": 1}
    answer = api.call("POST", "/v1/files", content=lines(ROW), headers={"Content-Type": NDJSON})
    targets = [
        api.made("/v1/targets", {**source, "template": TEMPLATE})
        for source in ({"records": [ROW]}, {"file_id": answer.json()["id"]})
    ]
    for noun, made_id in (("pools", pool), *(("targets", target["id"]) for target in targets)):
        (stored,) = api.get(f"/v1/{noun}/{made_id}/records")["data"]
        assert stored["record"]["prompt"] == "Question: 2 + 2?\nSums."
        assert stored["original"] == ROW
    for target in targets:
        assert "Question: 2 + 2?" in target["recognised"]["example"]["record"]
    asked = {"model": api.settings.default_model, "records": [ROW], "template": TEMPLATE}
    assert api.made("/v1/evaluations", asked)["request"]["target_id"] in {target["id"] for target in targets}


def test_the_same_rows_are_found_again_with_the_same_template_only(api: Api) -> None:
    body = {"records": [ROW], "name": "by template"}
    first, again, other = (
        api.made("/v1/targets", {**body, "template": template})
        for template in ("Q: {{ question }}", "Q: {{ question }}", "Q {{ question }}")
    )
    assert (again["id"], again["found"]) == (first["id"], True)
    assert (other["id"] != first["id"], other["found"]) == (True, False)


def test_the_answer_is_found_by_the_shape_or_named() -> None:
    for row, layout, answer, shape in (
        ({"instruction": "a", "input": ["odd"], "output": "b"}, {}, "b", "alpaca"),
        ({"instruction": "a", "output": "b", "completion": "c"}, {"format": "alpaca"}, "b", "alpaca"),
        ({"title": "a", "completion": "b"}, {}, "b", "prompt_completion"),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, {}, "b", "preference"),
        ({"question": "a", "choices": ["x", "y"], "answer": 1}, {}, "y", "question_choices"),
        ({"title": "a", "say": "b"}, {"columns": {"completion": "say"}}, "b", "columns"),
        ({"title": "a", "completion": "b"}, {"format": "prompt_completion"}, "b", "prompt_completion"),
    ):
        record, name = read(row, "{{ row | length }}", **layout)
        assert (record.prompt, record.completion, name) == (str(len(row)), answer, shape)


def test_columns_that_the_template_does_not_use_are_kept() -> None:
    record, _ = read({"instruction": "a", "input": "b", "output": "c", "system": "d"}, "{{ instruction }}")
    assert record.extra == {"input": "b", "system": "d"}
    record, _ = read({"prompt": "a", "title": "b", "completion": "c", "id": 7}, "{{ title }}")
    assert (record.extra, record.id) == ({"prompt": "a"}, "7")
    record, _ = read({"q": "a", "x": 1, "say": "c"}, "{{ q }}", columns={"completion": "say"})
    assert record.extra == {"x": 1}


@pytest.mark.parametrize(
    ("row", "layout", "code", "said"),
    [
        ({"title": "a", "say": "b"}, {}, "no_completion", "columns=completion:"),
        ({"messages": TURNS}, {}, "template_on_turns", "turns (messages)"),
        ({"conversations": TURNS}, {}, "template_on_turns", "turns (sharegpt)"),
        ({"prompt": TURNS[:1], "completion": TURNS[1:]}, {}, "template_on_turns", "leave the template out"),
        ({"chosen": TURNS, "rejected": TURNS}, {}, "template_on_turns", "turns (preference)"),
        ({"title": "a"}, {"columns": {"completion": "say"}}, "no_such_column", "'say'"),
        ({"title": " ", "completion": "b"}, {}, "empty_prompt", "on_invalid=skip"),
        ({"title": "a", "completion": " "}, {}, "empty_completion", ""),
        (
            {"question": "a", "answer": "b", "text": "c", "query": "d", "response": "e"},
            {},
            "ambiguous_shape",
            "",
        ),
    ],
)
def test_rows_that_no_template_can_help(row: dict[str, Any], layout: Any, code: str, said: str) -> None:
    with pytest.raises(InvalidRecord) as fault:
        read(row, "{{ title if title is defined }}{{ 'x' if title is not defined }}", **layout)
    assert fault.value.code == code
    assert said in fault.value.detail


def test_nulls_are_empty_and_missing_columns_are_named(api: Api) -> None:
    assert made("{{ a }}.{{ b }}", {"a": None, "b": "x"}) == [".x"]
    assert made("{{ a }}.{{ b }}", {"b": "x"}, columns=["a", "b"]) == [".x"]
    assert made("{{ a }}|{{ row['a b'] }}\n", {"a": [1], "a b": True}, 7) == ["[1]|True\n", "no row"]
    assert made("{{ row | tojson }}", {"a": "<é>"}) == ['{"a": "<é>"}']
    answer = sent(api, lines({"question": "a", "answer": "b"}), query=query(template=TEMPLATE))
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["line"], fault["code"]) == (1, "no_such_column")
    assert "'context' is undefined; the columns of this row are answer, question" in fault["detail"]


def test_empty_cells_of_tables_are_empty_texts(api: Api) -> None:
    sink = io.BytesIO()
    rows = [
        {"question": "a?", "context": None, "answer": "b"},
        {"question": "c?", "context": "d", "answer": "e"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), sink)
    csv = b"question,context,answer\na?,,b\nc?,d,e\n"
    for body, kind in ((csv, CSV), (sink.getvalue(), "application/vnd.apache.parquet")):
        _, table = accepted(api, body, kind, query(template=TEMPLATE))
        assert table["prompt"].to_pylist() == ["Question: a?\n", "Question: c?\nd"]


def test_rows_with_empty_prompts_are_counted_and_listed(api: Api) -> None:
    rows = [{"title": title, "completion": "x"} for title in ("a", "", "b", " ")]
    asked = query(template="{{ title }}", on_invalid="skip")
    batch, table = accepted(api, lines(*rows, {"completion": "x"}, {"title": "c"}), query=asked)
    assert table["prompt"].to_pylist() == ["a", "b"]
    assert batch["counts"] == {"received": 6, "accepted": 2, "rejected": 4, "duplicates": 0}
    assert batch["reasons"] == {"empty_prompt": 2, "no_such_column": 1, "no_completion": 1}
    listed = api.call("GET", f"/v1/files/{batch['error_file_id']}/content").text.splitlines()
    assert [orjson.loads(line)["line"] for line in listed] == [2, 4, 5, 6]


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("{{ question * 10**9 }}", "too_large"),
        ("{{ 'a' * 10**9 }}", "too_large"),
        ("{% for i in range(99999) %}{{ question }} and more{% endfor %}", "too_large"),
        (
            "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
            "too_large",
        ),
        ("{{ range(10**9) | list }}", "template_failed"),
        ("{% for i in range(10**9) %}{% endfor %}", "template_failed"),
        ("{{ 1 / 0 }}", "template_failed"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "template_failed"),
        ("{% include '/etc/passwd' %}", "template_failed"),
        ("{{ 'a'.encode('idna') }}", "template_failed"),  # would have to open a file
        ("{{ ''.__class__.__mro__ }}", "unsafe_template"),
        ("{{ ''|attr('__class__') }}", "unsafe_template"),
        ("{{ '{0.__class__}'.format(1) }}", "unsafe_template"),
        ("{{ cycler.__init__.__globals__ }}", "unsafe_template"),
        ("{{ '\\ud800' }}", "bad_text"),
        ("{{ question.nothing }}", "no_such_column"),
    ],
)
def test_what_a_template_cannot_do_costs_the_row_only(template: str, code: str) -> None:
    assert made(template, ROW, 7, ROW) == [code, "no row", code]


@pytest.mark.parametrize(
    ("template", "code", "said"),
    [
        ("a\nb {{ question", "bad_template", "line 2: unexpected end of template"),
        ("{{ question | random }}", "bad_template", "line 1: No filter named 'random'"),
        ("{{ " + "(" * 1500 + "1" + ")" * 1500 + " }}", "bad_template", "RecursionError"),
        ("{{ 10 ** 5000 }}", "bad_template", "ValueError"),
        (
            "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
            "template_too_slow",
            "2 + 2?",
        ),
        (
            "{{ (question | length) ** (10 ** 9) }}",
            "template_too_slow",
            "2 + 2?",
        ),  # one instruction, without end
        ("{{ 7 ** (10 ** 9) }}", "template_too_slow", "the template itself"),
    ],
)
def test_what_no_row_can_help_refuses_all(template: str, code: str, said: str) -> None:
    start = time.monotonic()
    with pytest.raises(Problem) as refused:
        made(template, ROW, ROW)
    assert refused.value.code == code
    assert said in refused.value.detail
    assert time.monotonic() - start < 30


def test_an_endless_template_is_refused_and_the_api_goes_on(api: Api) -> None:
    endless = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    answer = sent(api, lines(ROW), query=query(template=endless))
    assert (answer.status_code, answer.json()["code"]) == (422, "template_too_slow")
    assert api.get("/v1/pools?limit=1")["data"][0]["count"] == 0


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ({"template": ""}, "at least 1 character"),
        ({"template": "a" * (MAX_TEMPLATE_CHARS + 1)}, f"at most {MAX_TEMPLATE_CHARS} characters"),
        ({"template": "a", "columns": {"prompt": "b"}}, "columns names one for prompt"),
        ({"template": "a", "columns": {"messages": "b"}}, "columns names one for messages"),
        ({"template": "a", "format": "messages"}, "format is messages, rows of turns"),
        ({"template": "a", "format": "sharegpt"}, "format is sharegpt, rows of turns"),
    ],
)
def test_templates_that_a_request_cannot_have(api: Api, said: dict[str, Any], detail: str) -> None:
    pairs = [f"{field}:{column}" for field, column in said.get("columns", {}).items()]
    answers: list[httpx.Response] = [
        sent(api, lines(ROW), query=query(**said | {"columns": pairs})),
        api.post("/v1/targets", {"records": [ROW], **said}),
    ]
    for answer in answers:
        assert answer.status_code == 422
        assert detail in answer.text


def test_many_rows_go_in_frames_and_come_back_in_order() -> None:
    rows: list[dict[str, Any]] = [{"n": n, "text": "x" * 900 * (n % 7)} for n in range(2_500)]
    assert made("{{ n }}:{{ text | length }}", *rows) == [f"{row['n']}:{len(row['text'])}" for row in rows]


def test_a_tenant_has_a_share_of_the_processes_that_render() -> None:
    templates = Shares().templates
    with templates.of("a"), Prompts("x", templates.of("a")) as held:
        assert len(list(held.beside([ROW]))) == 1
        with pytest.raises(Problem) as refused, Prompts("x", templates.of("a")) as third:
            list(third.beside([ROW]))
        assert (refused.value.status_code, refused.value.code) == (429, "too_many_at_once")
        with Prompts(None, templates.of("a")) as none, Prompts("x", templates.of("a")) as idle:
            assert list(none.beside([ROW])) == [(ROW, None)]  # no template, no process
            assert list(idle.beside([])) == []
    with templates.of("a"), templates.of("a"):
        pass  # all of them were given back
