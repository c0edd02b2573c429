"""The demo's measures and pages, from results whose numbers are known."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.demo.measures import composition
from benchmarks.demo.report import LINES, page, print_table, verdict, write
from evoselect_client.models import Item


def item(rank: int, id: str, source: str = "T", kind: str = "clean", **more: str) -> Item:
    metadata = {"source": source, "kind": kind, **more}
    return Item(rank=rank, id=id, content_hash=id, weight=1.0, record={"metadata": metadata})


def result() -> dict[str, Any]:
    row = {
        "n": 4,
        "answer_nll": 1.25,
        "choice_cross_entropy": 1.5,
        "accuracy": 0.375,
        "transport": 0.9876,
        "gap": 0.00123,
        "draw": {"on_target": 0.5, "noise": 0.25, "duplicates": 0.125},
    }
    kinds = {"clean": 5, "wrong_answer": 2, "near_duplicate": 3}
    return {
        "rows": {"base": {"answer_nll": 2.0, "accuracy": 0.25}, "<b>mine</b>": row},
        "gains": {"random 1": {"n": 4, "difference": 0.125, "interval": [-0.05, 0.3], "p_value": 0.2}},
        "reports": {"<b>mine</b>": "<p>its report</p>"},
        "seconds_per_phase": {"features": 12.34},
        "seconds": 60.0,
        "data": {
            "target_set": "T & U",
            "target_records": 4,
            "test_records": 4,
            "pool_records": 10,
            "by_source": {"T": 10},
            "by_kind": kinds,
            "seed": 0,
        },
        "plan": {"k": 2, "learning_rate": 1e-3, "steps": 3, "base_model": "m"},
        "machine": {"processor": "<cpu>"},
    }


def test_only_copies_of_drawn_questions_count_as_duplicates() -> None:
    drawn = [
        item(1, "a"),
        item(2, "b", kind="near_duplicate", duplicate_of="a"),
        item(3, "c", kind="near_duplicate", duplicate_of="not drawn"),
        item(4, "d", source="U", kind="wrong_answer"),
        item(5, "e", kind="near_duplicate", duplicate_of="not drawn"),
    ]
    assert composition(drawn, "T") == {"n": 5, "on_target": 0.8, "noise": 0.2, "duplicates": 0.4}


def test_an_original_after_its_copy_is_the_duplicate() -> None:
    drawn = [item(1, "b", kind="near_duplicate", duplicate_of="a"), item(2, "a")]
    assert composition(drawn, "T")["duplicates"] == 0.5


def test_the_table_shows_every_number_and_a_dash_where_there_is_none() -> None:
    console = Console(record=True, width=140)
    print_table(result(), console)
    text = console.export_text()
    for shown in ("1.2500", "1.5000", "37.5%", "50.0%", "12.5%", "0.9876", "0.123%", "12.3", "60.0"):
        assert shown in text
    assert LINES[3].of(result()["rows"]["base"]) == "-"


@pytest.mark.parametrize(
    ("intervals", "says"),
    [
        ([(0.01, 0.2), (0.02, 0.3)], "training on the selection answers more"),
        ([(0.01, 0.2), (-0.02, 0.3)], "a random draw does as well"),
        ([(-0.2, 0.1), (-0.1, 0.3)], "a random draw does as well"),
        ([(-0.2, -0.1), (-0.3, -0.01)], "training on either random draw answers more"),
    ],
)
def test_the_sentence_follows_from_the_intervals(intervals: list[tuple[float, float]], says: str) -> None:
    gains = {
        f"random {number}": {"difference": (low + high) / 2, "interval": [low, high]}
        for number, (low, high) in enumerate(intervals, 1)
    }
    assert says in verdict(gains)
    low, high = intervals[0]
    assert f"[{100 * low:+.1f}, {100 * high:+.1f}] against random 1" in verdict(gains)


def test_the_page_escapes_and_loads_nothing(tmp_path: Path) -> None:
    text = page(result())
    assert "&lt;b&gt;mine" in text
    assert "T &amp; U" in text
    assert "&lt;cpu&gt;" in text
    assert "<b>" not in text
    for outside in ("http:", "https:", "src=", "<script", "@import", "url("):
        assert outside not in text
    paths = write(result(), tmp_path / "out")
    assert [path.name for path in paths] == ["demo.json", "demo.html", "selection-1.html"]
    assert paths[1].read_text() == text
    assert "href='selection-1.html'" in text
    assert paths[2].read_text() == "<p>its report</p>"
    assert "its report" not in paths[0].read_text()
