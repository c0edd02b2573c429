"""Items of a selection are given back page by page, byte for byte."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from store.artifacts import Artifacts
from store.results.items import GROUP_ROWS, put, read


def items(count: int) -> list[dict[str, Any]]:
    return [
        {"rank": n, "id": f"c{n}", "weight": 1 / n, "record": {"prompt": "é"}} for n in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    ("after", "limit"),
    [
        (0, 1),
        (0, 5000),
        (GROUP_ROWS - 1, 2),
        (GROUP_ROWS, 1),
        (2 * GROUP_ROWS, 900),
        (2499, 10),
        (2500, 1),
        (9999, 1),
    ],
)
def test_a_page_is_that_slice(tmp_path: Path, after: int, limit: int) -> None:
    artifacts, all_items = Artifacts(f"file://{tmp_path}"), items(2500)
    stored = put(artifacts, "t/selections", all_items)
    assert stored.rows == 2500
    got = [orjson.loads(text) for text in read(artifacts, stored, after=after, limit=limit)]
    assert got == all_items[after : after + limit]


def test_ranks_must_be_in_order(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 to 2 in order"):
        put(Artifacts(f"file://{tmp_path}"), "t", items(3)[1:])
