"""If-None-Match by RFC 9110: weak comparison, lists, and the star."""

import pytest
from fastapi import Request

from service.http.conditional import conditional, matches

TAG = '"abc"'


@pytest.mark.parametrize(
    ("known", "same"),
    [
        (TAG, True),
        (f"W/{TAG}", True),
        (f'"x", {TAG}', True),
        ("*", True),
        ("", False),
        ("abc", False),
        ('"x", *', False),
    ],
)
def test_tags_are_compared_weakly(known: str, same: bool) -> None:
    assert matches(known, TAG) is same


def asked(*headers: tuple[str, str]) -> Request:
    return Request({"type": "http", "headers": [(name.encode(), value.encode()) for name, value in headers]})


def test_who_knows_the_answer_gets_no_body() -> None:
    fresh = conditional(asked(), b"{}", TAG, {"Retry-After": "2"})
    known = conditional(asked(("if-none-match", TAG)), b"{}", TAG, {})
    assert (fresh.status_code, fresh.body, fresh.headers["retry-after"]) == (200, b"{}", "2")
    assert (known.status_code, known.body, known.headers["etag"]) == (304, b"", TAG)
