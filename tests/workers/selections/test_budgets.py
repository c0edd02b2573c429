"""Pinned candidates and budgets in tokens: by the rules alone, and through the whole line."""

from collections.abc import Callable

import numpy as np
import pytest

from store.errors import Invalid
from store.jobs.requests import SelectionWork
from store.records.record import parse_record, to_json, to_table
from store.records.stored import Records
from tests.live import Json
from tests.workers.line import Line
from tests.workers.proxy import ALIAS, questions
from workers.features.known import Known
from workers.features.statuses import Statuses
from workers.selections.budgets import budget_of, pinned_rows, token_counts
from workers.selections.side import Side

ROWS: list[Json] = [to_json(record) for record in questions(12)]
REQUEST = {"target_id": "t", "pool_id": "p", "pool_version": 1, "model": "m", "spec": {}, "features": {}}
FATES = ["usable", "too_long", "usable", "usable", "exact_duplicate"]


def pool(*ids: str, extra: Callable[[int], Json] = lambda row: {"size": row + 1}) -> Side:
    """Rows whose contents are their places, the last one's that of the one before; tokens 10, 20, ..."""
    count = len(ids)
    records = [
        parse_record({"prompt": f"p{min(row, count - 2)}", "completion": "x", "id": id, "extra": extra(row)})
        for row, id in enumerate(ids)
    ]
    tokens = np.arange(1, count + 1, dtype=np.int32) * 10
    return Side(Records.of([to_table(records)]), Known(tokens, Statuses.of(["ok"] * count), ""))


def test_ids_and_hashes_name_rows_in_the_order_given() -> None:
    side = pool("a", "b", "c", "d", "e")
    assert pinned_rows(["c", side.records[0].content_hash], side, FATES) == [2, 0]
    assert pinned_rows([side.records[3].content_hash], side, FATES) == [3]
    assert pinned_rows([], side, FATES) == []


@pytest.mark.parametrize(
    ("names", "code", "words"),
    [
        (["a", "y", "z"], "unknown_pinned", "2 pinned candidates are not in the pool, such as y, z"),
        (["b"], "unusable_pinned", r"candidate b cannot be selected \(too_long\)"),
        (["e"], "unusable_pinned", r"\(exact_duplicate\)"),
        (["twice"], "ambiguous_pinned", "2 candidates have the id twice, which is pinned"),
    ],
)
def test_names_that_pin_nothing_are_refused(names: list[str], code: str, words: str) -> None:
    side = pool("a", "b", *(["twice", "twice"] if code == "ambiguous_pinned" else ["c", "d"]), "e")
    with pytest.raises(Invalid, match=words) as refused:
        pinned_rows(names, side, FATES)
    assert refused.value.code == code


def test_an_id_and_the_hash_of_its_row_are_one_candidate() -> None:
    side = pool("a", "b", "c", "d", "e")
    with pytest.raises(Invalid, match="are one candidate, pinned twice"):
        pinned_rows(["a", side.records[0].content_hash], side, FATES)


def test_tokens_are_those_of_the_features_or_of_a_column() -> None:
    side = pool("a", "b", "c", "d", "e")
    assert token_counts(None, side, np.array([0, 2])).tolist() == [10, 30]
    assert token_counts("extra.size", side, np.array([0, 2])).tolist() == [1, 3]
    with pytest.raises(Invalid, match=r"2 of 2 candidates .* in extra.other, the first is a with None"):
        token_counts("extra.other", side, np.array([0, 2]))


@pytest.mark.parametrize("value", [0, -3, 2.5, "7", True, 2**40])
def test_tokens_of_a_column_are_whole_numbers(value: object) -> None:
    side = pool("a", "b", "c", extra=lambda row: {"size": value if row == 1 else 5})
    with pytest.raises(Invalid, match=r"1 of 3 candidates .* the first is b"):
        token_counts("extra.size", side, np.arange(3))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"tokens": 9}, "tokens is 9, and the 3 candidates that can be selected have 10 at least and 80 tog"),
        ({"tokens": 81}, "tokens is 81"),
        (
            {"tokens": 50, "pinned": ["c", "d"]},
            "the 2 pinned candidates have 70 tokens, and the budget is 50",
        ),
    ],
)
def test_budgets_that_cannot_be_met_are_refused_with_the_numbers(request_: Json, words: str) -> None:
    asked = SelectionWork.of({**REQUEST, **request_}, "sel_1")
    with pytest.raises(Invalid, match=words):
        budget_of(asked, pool("a", "b", "c", "d", "e"), np.array([0, 2, 3]), FATES)


def asked(**more: object) -> Json:
    return {"target": ROWS[:2], "candidates": ROWS[2:], "model": ALIAS, **more}


def test_tokens_and_pins_go_through_the_whole_line(line: Line) -> None:
    plain = line.done("selections", asked(k=10))
    items = line.api.get(f"/v1/selections/{plain['id']}/items")["data"]
    tokens = {item["id"]: item["tokens"] for item in items}
    assert all(count > 3 for count in tokens.values())
    budget = sum(tokens.values()) // 2
    done = line.done("selections", asked(tokens=budget, pinned=["q11", "q3"]))
    assert done["status"] == "completed", done["error"]
    found = line.api.get(f"/v1/selections/{done['id']}/items")["data"]
    spent = sum(item["tokens"] for item in found)
    said = done["result"]["diagnostics"]["tokens"]
    assert (said["budget"], said["spent"]) == (budget, spent)
    assert said["unspent_share"] == pytest.approx(1 - spent / budget)
    assert spent <= budget
    assert [(item["id"], item["pinned"]) for item in found][:2] == [("q11", True), ("q3", True)]
    assert not any(item["pinned"] for item in found[2:])
    assert found[0]["why"].startswith("pinned; ")
    assert done["result"]["diagnostics"]["gap"] >= 0
    assert done["request"]["k"] is None
    trained = line.api.post(
        "/v1/trainings", {"selection_id": done["id"], "base_model": ALIAS, "spec": {"max_steps": 1}}
    )
    assert trained.status_code == 202, trained.text


def test_an_unknown_pin_is_said_before_the_pool_is_computed(line: Line) -> None:
    done = line.done("selections", asked(k=3, pinned=["q4", "nobody"]))
    assert done["error"]["code"] == "unknown_pinned"
    assert "1 pinned candidates are not in the pool, such as nobody" in done["error"]["detail"]
    assert done["progress"]["phases"].get("features", {}).get("done", 0) <= 2
    for body, words in (
        (asked(k=1, pinned=["q4", "q5"]), "2 candidates are pinned and 1 are wanted"),
        (asked(k=3, pinned=["q4", "q4"]), "pinned names q4 2 times"),
        (asked(k=3, tokens=100), "exactly one of k, ratio, tokens"),
        (asked(k=3, tokens_from="extra.n"), "without tokens"),
        (asked(tokens=100, tokens_from="length_of"), "name a column as extra.NAME"),
        (asked(tokens=100, spec={"repeat_budget": 9}), "repeat_budget counts rows"),
        (
            asked(
                tokens=99, features={"kind": "provided"}, feature_files={"target": "file_a", "pool": "file_b"}
            ),
            "tokens_from: extra.NAME",
        ),
    ):
        answer = line.api.post("/v1/selections", body)
        assert answer.status_code == 422, answer.text
        assert words in answer.text
