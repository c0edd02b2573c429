"""Groups of candidates by a field or a column, with the bounds that a request gives them."""

import pytest

from evoselect.spec.balance import Balance
from store.errors import Invalid
from store.records.record import Record, parse_record
from tests.live import Json
from tests.workers.line import Line
from tests.workers.proxy import ALIAS
from tests.workers.selections.test_budgets import ROWS
from workers.selections.balances import bounds_of


def records(*sources: object) -> list[Record]:
    return [
        parse_record({"prompt": f"p{n}", "completion": "x", "id": f"r{n}", "extra": {"source": source}})
        for n, source in enumerate(sources)
    ]


def test_values_of_a_column_are_groups() -> None:
    balance = Balance.model_validate({"by": "extra.source", "min": {"web": 1, "gone": 0}, "max": {"7": 2}})
    bounds = bounds_of(balance, records("web", 7, None, "web", True), 3, counted=True)
    assert bounds.names == ("7", "true", "web", "")
    assert bounds.of.tolist() == [2, 0, 3, 2, 1]
    assert bounds.least.tolist() == [0, 0, 1, 0]
    assert bounds.most.tolist() == [2, 3, 3, 3]


def test_shares_are_rows_or_about_so_many_tokens() -> None:
    balance = Balance.model_validate({"by": "extra.source", "shares": {"a": 3.0, "b": 1.0}})
    rows = bounds_of(balance, records("a", "b", "a"), 10, counted=True)
    assert (rows.least.tolist(), rows.most.tolist()) == ([8, 2, 0], [8, 2, 0])
    tokens = bounds_of(balance, records("a", "b", "a"), 1_000, counted=False)
    assert (tokens.least.tolist(), tokens.most.tolist()) == ([735, 245, 0], [750, 250, 0])


@pytest.mark.parametrize(
    ("given", "sources", "words"),
    [
        ({"min": {"wbe": 1}}, ["web", "book"], r"has extra.source 'wbe'; there are 'book', 'web'"),
        ({"shares": {"web": 1.0}}, ["web", "book"], "shares name no 'book'"),
        ({"shares": {"web": 1.0}}, ["web", None], "1 of 2 candidates have no extra.source, the first is r1"),
        ({"max": {"web": 1}}, ["web", ["x"]], r"of candidate r1 is \['x'\]: groups are named by texts"),
    ],
)
def test_groups_that_do_not_fit_are_refused_by_name(given: Json, sources: list[object], words: str) -> None:
    balance = Balance.model_validate({"by": "extra.source", **given})
    with pytest.raises(Invalid, match=words):
        bounds_of(balance, records(*sources), 2, counted=True)


def test_a_balance_goes_through_the_whole_line(line: Line) -> None:
    rows = [
        {**row, "extra": {"source": "web" if n % 3 else "book"}, "group": None}
        for n, row in enumerate(ROWS[2:])
    ]
    body = {"target": ROWS[:2], "candidates": rows, "k": 6, "model": ALIAS}
    spec = {"balance": {"by": "extra.source", "shares": {"book": 1.0, "web": 2.0}}}
    done = line.done("selections", {**body, "spec": spec})
    assert done["status"] == "completed", done["error"]
    assert done["result"]["diagnostics"]["balance"]["book"] == {"got": 2, "least": 2, "most": 2}
    items = line.api.get(f"/v1/selections/{done['id']}/items")["data"]
    assert sorted(item["record"]["extra"]["source"] for item in items) == ["book"] * 2 + ["web"] * 4
    asked = {"balance": {"by": "extra.source", "min": {"book": 9}}}
    few = line.done("selections", {**body, "k": 10, "spec": asked})
    assert few["error"]["code"] == "unmet_balance"
    assert "group 'book' has 4 that can be selected, and the least is 9" in few["error"]["detail"]
