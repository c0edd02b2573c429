"""Selections with a funnel, from the request to the result, on the tiny model."""

import pytest

from store.jobs import shards
from store.jobs.results import FeaturesResult
from store.tables.jobs import Shard
from tests.live import Json
from tests.workers.line import Line
from workers.process.workplace import Workplace

WORDS = [
    "france",
    "paris",
    "spain",
    "madrid",
    "italy",
    "rome",
    "japan",
    "tokyo",
    "egypt",
    "cairo",
    "peru",
    "lima",
]
FEATURES = {"dim": 256, "sketch_in": 4, "sketch_out": 4}


def row(number: int) -> Json:
    first, second = WORDS[number % 12], WORDS[(number * 5 + number // 12) % 12]
    return {
        "id": f"r{number}",
        "prompt": f"{number} capital of {first} {second}",
        "completion": f" {WORDS[(number + 1) % 12]}",
        "group": "few" if number % 40 == 0 else "many",
    }


def request(candidates: int = 400, share: float | None = 0.2, **changed: object) -> Json:
    funnel = {} if share is None else {"funnel": {"share": share}}
    return {
        "target": [row(1000 + number) for number in range(0, 36, 7)],
        "candidates": [row(number) for number in range(candidates)],
        "k": 8,
        "model": "tiny",
        "features": {**FEATURES, **funnel},
        **changed,
    }


def items(line: Line, job: Json) -> list[tuple[str, float]]:
    assert job["status"] == "completed", job
    found = line.api.get(f"/v1/selections/{job['id']}/items")["data"]
    return [(item["id"], item["weight"]) for item in found]


def of_pool(line: Line, job_id: str) -> list[Shard]:
    with line.api.database.transaction() as session:
        held = shards.of_phase(session, job_id, "features")
        return [shard for shard in held if shard.payload["role"] == "pool"]


def drain(line: Line, *queues: str) -> None:
    while Workplace(line.place.context, list(queues)).drain():
        pass


def test_features_are_computed_of_what_goes_through_and_the_rest_is_counted(line: Line) -> None:
    balance = {"by": "group", "min": {"few": 2}}
    done = line.done("selections", request(pinned=["r399"], spec={"balance": balance}))
    chosen = [id for id, _ in items(line, done)]
    funnel, counts = done["result"]["features"]["funnel"], done["result"]["counts"]
    assert (funnel["kept"], funnel["sample"], funnel["best"]) == (
        78 + 8,
        200,
        10,
    )  # a fifth, and 4 x 2 of few
    assert 0 <= funnel["interval"][0] <= funnel["recall"] <= funnel["interval"][1] <= 1
    assert (funnel["warning"] is None) == (funnel["recall"] >= 0.95)
    assert counts["usable"] + counts["left_out"]["funnelled_out"] == counts["pool"] == 400
    assert sum(shard.rows_total for shard in of_pool(line, done["id"])) == counts["usable"] < 300
    assert len(chosen) == 8
    assert "r399" in chosen
    assert len({"r0", "r40", "r80", "r120", "r160", "r200", "r240", "r280", "r320", "r360"} & {*chosen}) >= 2
    out = next(one["id"] for one in done["result"]["rejected"] if one["reason"] == "funnelled_out")
    assert out not in chosen
    assert line.api.get(f"/v1/selections/{done['id']}/candidates/{out}")["reason"] == "funnelled_out"


@pytest.mark.parametrize("held", [None, 1], ids=["held", "in shards that answer"])
def test_where_all_goes_through_the_selection_is_that_without_a_funnel(
    line: Line, held: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample of at least 200 rows is all of 200."""
    if held is not None:
        monkeypatch.setattr("workers.features.conditioned_rows.HELD_BYTES", held)
    plain = line.done("selections", request(200, None))
    through = line.done("selections", request(200, 0.4))
    assert items(line, through) == items(line, plain)
    assert "funnel" not in plain["result"]["features"]
    facts = through["result"]["features"]
    assert facts.get("shards") == (None if held is None else len(of_pool(line, through["id"])))
    assert facts.get("asked_again") == plain["result"]["features"].get("asked_again")
    assert facts["funnel"]["kept"] == 80


def test_what_is_lost_on_the_way_is_made_again(line: Line) -> None:
    whole = line.done("selections", request())
    job = line.api.made("/v1/selections", request(seed=0))
    artifacts = line.place.context.artifacts
    for lost in ("what went through", "a block"):
        drain(line, "features")
        if not of_pool(line, job["id"]):
            drain(line, "select")
            drain(line, "features")
        shard = of_pool(line, job["id"])[0]
        blocks = FeaturesResult.of(shard.result).blocks
        path = shard.payload["funnel"]["path"] if lost == "what went through" else blocks[0].artifact
        artifacts.remove(path)
        drain(line, "select")
    drain(line, "features", "select")
    assert items(line, line.api.get(f"/v1/selections/{job['id']}")) == items(line, whole)


def test_one_that_was_cancelled_behind_the_funnel_looks_again(line: Line) -> None:
    job = line.api.made("/v1/selections", request(features={**FEATURES, "kind": "hidden", "funnel": {}}))
    drain(line, "features")
    drain(line, "select")
    assert of_pool(line, job["id"])
    assert line.api.post(f"/v1/selections/{job['id']}/cancel", {}).json()["status"] == "cancelled"
    again = line.api.post(f"/v1/selections/{job['id']}/retry", {}).json()
    assert not of_pool(line, again["id"])
    drain(line, "features", "select")
    assert len(items(line, line.api.get(f"/v1/selections/{again['id']}"))) == 8
