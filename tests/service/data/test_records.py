"""Records of pools and targets by pages, and those that hold a text."""

from typing import Any

import pytest

from service.data import records
from service.services import open_state
from store.data import pools
from tests.live import Api, question
from tests.store.records.rows_on_disk import ASSISTANT, USER

ALPACA = {"instruction": "Name the capital of Laos.", "output": "Vientiane", "topic": "geo"}


def filled(api: Api) -> str:
    pool: str = api.made("/v1/pools", {})["id"]
    for start in (0, 4):
        api.made(f"/v1/pools/{pool}/batches", {"records": [question(n) for n in range(start, start + 4)]})
    api.made(f"/v1/pools/{pool}/batches", {"records": [ALPACA, {"messages": [USER, ASSISTANT]}]})
    return pool


def walk(api: Api, path: str, query: str = "") -> list[Any]:
    """All pages of three."""
    found: list[Any] = []
    after: int | None = 0
    while after is not None:
        page = api.get(f"{path}?limit=3&after={after}{query}")
        assert page["has_more"] == (page["next_after"] is not None)
        found += page["data"]
        after = page["next_after"]
    return found


def test_pages_hold_every_record_once_in_order(api: Api) -> None:
    found = walk(api, f"/v1/pools/{filled(api)}/records")
    assert [row["number"] for row in found] == list(range(1, 11))
    assert [row["record"].get("prompt") for row in found[:8]] == [question(n)["prompt"] for n in range(8)]
    assert found[8]["original"] == ALPACA
    assert found[8]["record"]["extra"] == {"topic": "geo"}
    assert found[9]["original"] == {"messages": [USER, ASSISTANT]}


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("CAPITAL", [9]), ("vientiane", [9]), ("what is 2", [10]), ("3 + 3", [4]), ("zebra", [])],
)
def test_a_search_looks_into_prompts_turns_and_answers(api: Api, text: str, numbers: list[int]) -> None:
    found = walk(api, f"/v1/pools/{filled(api)}/records", f"&search={text.replace('+', '%2B')}")
    assert [row["number"] for row in found] == numbers


def test_a_long_search_ends_in_time_and_goes_on(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = filled(api)
    with api.database.transaction() as session:
        sources = pools.sources(session, pools.get(session, api.tenant_id, pool), 3)
    monkeypatch.setattr(records, "SCANNED_ROWS", 2)
    page = records.page(open_state(api.settings), sources, after=0, limit=5, text="zebra")
    assert (page["data"], page["next_after"]) == ([], 4)  # a batch is a row group


def test_a_page_of_large_records_ends_early(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = filled(api)
    with api.database.transaction() as session:
        sources = pools.sources(session, pools.get(session, api.tenant_id, pool), 3)
    monkeypatch.setattr(records, "PAGE_CHARS", 100)
    page = records.page(open_state(api.settings), sources, after=0, limit=5, text=None)
    assert len(page["data"]) < 5
    assert page["next_after"] == page["data"][-1]["number"]


def test_targets_have_records_too(api: Api) -> None:
    target = api.made("/v1/targets", {"records": [question(1), ALPACA]})["id"]
    first, second = walk(api, f"/v1/targets/{target}/records")
    assert first["record"]["prompt"] == question(1)["prompt"]
    assert (second["record"]["completion"], second["original"]) == ("Vientiane", ALPACA)


def test_an_empty_pool_has_none(api: Api) -> None:
    pool = api.made("/v1/pools", {})["id"]
    page = api.get(f"/v1/pools/{pool}/records")
    assert page == {"object": "list", "data": [], "has_more": False, "next_after": None}
    assert api.get(f"/v1/pools/{pool}/records?after=99") == page
