"""The floor under the quality of candidates, through the whole line."""

import orjson
import pytest

from store.records.record import to_json
from tests.live import Json
from tests.workers.line import Line
from tests.workers.proxy import ALIAS, questions

ROWS: list[Json] = [to_json(record) for record in questions(12)]


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
    assert "left out: 8 low_quality" in few["error"]["detail"]


def test_a_quality_comes_from_a_column_of_any_name(line: Line) -> None:
    rows = [
        {"ask": row["prompt"], "say": row["completion"], "key": row["id"], "judge": n / 10}
        for n, row in enumerate(ROWS[2:])
    ]
    pool = line.api.made("/v1/pools", {})["id"]
    columns = "&".join(
        f"columns={pair}" for pair in ("id:key", "prompt:ask", "completion:say", "quality:judge")
    )
    content = b"\n".join(orjson.dumps(row) for row in rows)
    headers = {"Content-Type": "application/x-ndjson"}
    batch = line.api.call("POST", f"/v1/pools/{pool}/batches?{columns}", content=content, headers=headers)
    assert batch.status_code == 201, batch.text
    body = {"target": ROWS[:2], "pool_id": pool, "k": 3, "model": ALIAS, "spec": {"least_quality": 0.7}}
    done = line.done("selections", body)
    assert done["status"] == "completed", done["error"]
    assert done["result"]["counts"]["left_out"] == {"low_quality": 7}
    items = line.api.get(f"/v1/selections/{done['id']}/items")["data"]
    assert {item["id"]: item["record"]["quality"] for item in items} == {"q9": 0.7, "q10": 0.8, "q11": 0.9}


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
