"""Files and lines that hold no rows: each is told what it is, and what to send in its place."""

import orjson
import pytest

from service.http.problems import Problem
from service.intake.unreadable import refuse_others, why_no_json
from tests.live import Api, Json


def said_of(line: bytes) -> str:
    with pytest.raises(orjson.JSONDecodeError) as error:
        orjson.loads(line)
    return why_no_json(error.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"a": NaN}', "holds NaN at character 7, which JSON does not know: write null."),
        (b'{"a": Infinity}', "holds Infinity at character 7"),
        (b'{"a": -Infinity}', "holds -Infinity at character 7"),
        (b'{"a": -x}', "no digit after sign at character 8."),
        (b'{"a": None}', "not JSON: unexpected character, expected a JSON value at character 7."),
        (b"\xff{", "The line is not UTF-8: save the file as UTF-8."),
        (b"hello", 'Each line must be an object, such as {"prompt"'),
        (b"{", "Write each record as a whole on one line."),
        (b'{"a": 1} {"b": 2}', "unexpected content after document at character 10."),
    ],
)
def test_a_line_is_told_what_is_wrong(line: bytes, said: str) -> None:
    assert said in said_of(line)
    assert "line 1 column" not in said_of(line)  # of the line alone, and lines have numbers of the file


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"PK\x03\x04rest", "Excel workbook"),
        (b"%PDF-1.4", "a PDF"),
        ("prompt,completion\n".encode("utf-16"), "in UTF-16: save it as UTF-8"),
        ("{}".encode("utf-16-be"), ""),  # without a mark it cannot be told
    ],
)
def test_a_file_of_another_kind_is_named(head: bytes, said: str) -> None:
    if not said:
        refuse_others(head)
        return
    with pytest.raises(Problem) as problem:
        refuse_others(head)
    assert said in problem.value.detail


def test_a_workbook_as_a_file_is_refused_as_what_it_is(api: Api) -> None:
    sent: Json = {
        "content": b"PK\x03\x04" + bytes(99),
        "headers": {"Content-Type": "application/octet-stream"},
    }
    file = api.call("POST", "/v1/files?name=rows.xlsx", **sent).json()
    pool = api.made("/v1/pools", {})["id"]
    for path in (f"/v1/pools/{pool}/batches", "/v1/targets"):
        answer = api.call("POST", path, json={"file_id": file["id"]})
        assert (answer.status_code, answer.json()["code"]) == (422, "not_json"), answer.text
        assert "Excel workbook" in answer.json()["detail"]
