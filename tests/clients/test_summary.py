"""The dozen lines that `evoselect select` ends with."""

from pathlib import Path
from typing import Any

from evoselect_cli.summary import excerpt, lines_of, source_of
from evoselect_client.models import Item, Selection

RESULT = {
    "counts": {"pool": 90, "left_out": {"too_long": 3, "repeated": 0}},
    "diagnostics": {
        "k": 8,
        "metrics": {"selected": {"transport": 0.5}, "random": {"transport": 0.75}},
    },
}


def selection(result: dict[str, Any] | None) -> Selection:
    known = {"id": "sel_1", "object": "selection", "status": "completed", "done": True, "result": result}
    return Selection.model_validate({**known, "created_at": "2026-11-28T00:00:00Z"})


def item(rank: int, **record: Any) -> Item:
    return Item(rank=rank, id=f"c{rank}", content_hash="0", weight=1.0, record=record)


def test_counts_a_random_draw_sources_examples_and_what_next() -> None:
    items = [
        item(n, prompt=f"Question  {n}?\n", extra={"source": "a" if n < 7 else "b"}) for n in range(1, 9)
    ]
    assert lines_of(selection(RESULT), items, Path("picked.jsonl")) == [
        "sel_1: selected 8 of 90 candidates",
        "left out: 3 too_long",
        "distance to the target: 0.500, of a random draw 0.750",
        "by source: 6 a, 2 b",
        *(f"  {n}. Question {n}?" for n in range(1, 6)),
        "rows: picked.jsonl",
        "report: evoselect report sel_1 --open",
        "next: evoselect train sel_1",
    ]


def test_an_older_result_says_what_it_has() -> None:
    assert lines_of(selection(None), [item(1, messages=[{"role": "user", "content": "Hi"}])], None) == [
        "sel_1: selected 1 of ? candidates",
        "  1. Hi",
        "rows: evoselect items sel_1 --out picked.jsonl",
        "report: evoselect report sel_1 --open",
        "next: evoselect train sel_1",
    ]


def test_where_a_row_says_that_it_is_from() -> None:
    assert source_of({"extra": {"source": 7}, "metadata": {"dataset": "x"}}) == "x"
    assert source_of({"prompt": "a"}) is None
    assert excerpt({"prompt": "y" * 100}) == "y" * 57 + "..."
