"""The floor under the quality of candidates, through the whole line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store.records.record import to_json
from tests.live import Json
from tests.workers.line import Line, whole_line
from tests.workers.proxy import ALIAS, questions, register

ROWS: list[Json] = [to_json(record) for record in questions(12)]


@pytest.fixture
def line(
    database_url: str, proxy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Line]:
    register(proxy_folder, monkeypatch)
    listing = proxy_folder.parent / f"{proxy_folder.name}-models.json"
    with whole_line(database_url, tmp_path, listing, monkeypatch) as found:
        yield found


def asked(candidates: list[Json], k: int, **spec: object) -> Json:
    return {"target": ROWS[:2], "candidates": candidates, "k": k, "model": ALIAS, "spec": spec}


def test_what_is_below_the_floor_is_left_out_and_counted(line: Line) -> None:
    graded = [{**row, "quality": n / 10} for n, row in enumerate(ROWS[2:])]
    done = line.done("selections", asked(graded, 3, least_quality=0.7))
    assert done["status"] == "completed", done["error"]
    assert done["result"]["counts"]["left_out"] == {"low_quality": 7}
    items = line.api.get(f"/v1/selections/{done['id']}/items")["data"]
    assert {item["id"]: item["record"]["quality"] for item in items} == {"q9": 0.7, "q10": 0.8, "q11": 0.9}
    without = line.done("selections", asked(graded, 4))
    assert without["result"]["counts"]["left_out"] == {}
    few = line.done("selections", asked(graded, 4, least_quality=0.75))
    assert few["error"]["code"] == "too_few_usable"
    assert "'low_quality': 8" in few["error"]["detail"]


def test_a_floor_needs_the_quality_of_each_candidate(line: Line) -> None:
    graded = [{**row, "quality": 0.5} for row in ROWS[2:5]]
    done = line.done("selections", asked([*graded, ROWS[5]], 1, least_quality=0.1))
    assert done["error"]["code"] == "missing_quality"
    assert "1 of 4 candidates have no quality, the first is q5" in done["error"]["detail"]
    assert done["progress"]["phases"].get("features", {}).get("done", 0) <= 2  # before the pool was computed


@pytest.mark.parametrize("floor", [-0.1, 1.1, "high"])
def test_a_floor_outside_of_its_range_is_refused(line: Line, floor: object) -> None:
    answer = line.api.post("/v1/selections", asked(ROWS[2:], 1, least_quality=floor))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/spec/least_quality")
