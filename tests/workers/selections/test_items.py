"""What a selection says of its rows together."""

from typing import Any

from workers.selections.items import picked


def item(content: str, *, repeats: int = 1, tokens: int | None = 10) -> dict[str, Any]:
    return {"content_hash": content, "repeats": repeats, "tokens": tokens}


def test_the_digest_is_that_of_the_rows_in_any_order() -> None:
    one, other = picked([item("a"), item("b")]), picked([item("b"), item("a")])
    assert one == other
    assert (one.rows, one.tokens) == (2, 20)
    assert picked([item("a"), item("c")]).sha256 != one.sha256
    assert picked([item("a", repeats=2), item("b")]).sha256 != one.sha256


def test_repeats_count_and_unknown_tokens_are_none() -> None:
    found = picked([item("a", repeats=3), item("b", tokens=None)])
    assert (found.rows, found.tokens) == (4, 30)
