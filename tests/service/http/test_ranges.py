"""Ranges of a stored file as RFC 9110 has them; whole files over HTTP are in tests/service/data."""

import io

import pytest
from fastapi import Request

from service.http.problems import Problem
from service.http.ranges import serve

BYTES = b"0123456789"


def answer(**headers: str) -> tuple[int, str, int]:
    """Status, Content-Range, and the length that is announced."""
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "headers": sent})
    found = serve(request, io.BytesIO(BYTES), size=len(BYTES), sha256="abc", media_type="text/plain")
    return (
        found.status_code,
        found.headers.get("content-range", ""),
        int(found.headers.get("content-length", 0)),
    )


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("bytes=0-3", (206, "bytes 0-3/10", 4)),
        ("bytes=4-", (206, "bytes 4-9/10", 6)),
        ("bytes=-3", (206, "bytes 7-9/10", 3)),
        ("bytes=-99", (206, "bytes 0-9/10", 10)),
        ("bytes=8-99", (206, "bytes 8-9/10", 2)),
        ("bytes=5-2", (200, "", 10)),
        ("bytes=0-1,4-5", (200, "", 10)),
        ("bytes=-", (200, "", 10)),
        ("lines=0-3", (200, "", 10)),
    ],
)
def test_one_range_is_served_and_what_may_be_ignored_is(asked: str, told: tuple[int, str, int]) -> None:
    assert answer(range=asked) == told


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_range_outside_of_the_file_is_a_416_with_its_size(asked: str) -> None:
    with pytest.raises(Problem, match="outside of the file's 10 bytes") as caught:
        answer(range=asked)
    assert caught.value.status_code == 416


def test_a_range_of_another_state_of_the_file_gets_all_of_it() -> None:
    assert answer(range="bytes=0-3", if_range='"other"')[0] == 200
    assert answer(range="bytes=0-3", if_range='"abc"')[0] == 206
    assert answer(if_none_match='"abc"')[0] == 304
