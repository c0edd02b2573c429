"""What a candidate that was left out is most like among those that were selected."""

import pytest

from store.records.record import to_json
from tests.live import Json
from tests.workers.line import Line
from tests.workers.proxy import ALIAS, questions
from workers.selections import considered

ROWS: list[Json] = [to_json(record) for record in questions(12)]


def told(line: Line) -> dict[str, Json | None]:
    """By id of a candidate the item that it is most like."""
    body = {"target": ROWS[:2], "candidates": ROWS[2:], "k": 3, "model": ALIAS}
    done = line.done("selections", body)
    assert done["status"] == "completed", done["error"]
    place = f"/v1/selections/{done['id']}/candidates"
    found: dict[str, Json] = {row["id"]: line.api.get(f"{place}/{row['id']}") for row in ROWS[2:]}
    chosen = {answer["item"]["rank"]: name for name, answer in found.items() if answer["item"]}
    assert sorted(chosen) == [1, 2, 3]
    for name, answer in found.items():
        near = answer["nearest_item"]
        assert (near is None) or (name not in chosen.values() and chosen[near["rank"]] == near["id"])
    return {name: answer["nearest_item"] for name, answer in found.items() if not answer["item"]}


def test_it_is_named_with_its_cosine_but_not_where_that_is_dear(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = told(line)
    assert len(near) == 7
    assert all(one is not None and -1 <= one["cosine"] <= 1 for one in near.values())
    monkeypatch.setattr(considered, "MOST_PRODUCTS", 0)
    assert set(told(line).values()) == {None}
