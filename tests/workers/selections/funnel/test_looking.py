"""Selections with a funnel, from the request to the result, on the tiny model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store.jobs import shards
from store.jobs.plans import FeaturePart
from tests.live import Json
from tests.workers.line import Line, whole_line
from tests.workers.proxy import register

WORDS = (
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
)


@pytest.fixture
def line(
    database_url: str, proxy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Line]:
    register(proxy_folder, monkeypatch)
    listing = proxy_folder.parent / f"{proxy_folder.name}-models.json"
    with whole_line(database_url, tmp_path, listing, monkeypatch) as found:
        yield found


def row(number: int) -> Json:
    first, second = WORDS[number % 12], WORDS[(number * 5 + number // 12) % 12]
    return {
        "id": f"r{number}",
        "prompt": f"{number} capital of {first} {second}",
        "completion": f" {WORDS[(number + 1) % 12]}",
        "group": "few" if number % 40 == 0 else "many",
    }


def request(**changed: object) -> Json:
    features = {"dim": 256, "sketch_in": 4, "sketch_out": 4, "funnel": {"share": 0.2}}
    return {
        "target": [row(1000 + number) for number in range(0, 36, 7)],
        "candidates": [row(number) for number in range(400)],
        "k": 8,
        "model": "tiny",
        "features": features,
        **changed,
    }


def test_features_are_computed_of_what_goes_through_and_the_rest_is_counted(line: Line) -> None:
    done = line.done("selections", request(pinned=["r399"]))
    assert done["status"] == "completed", done
    result = done["result"]
    funnel, counts = result["features"]["funnel"], result["counts"]
    assert funnel["kept"] == 80 and funnel["sample"] == 200 and funnel["best"] == 10
    assert 0 <= funnel["interval"][0] <= funnel["recall"] <= funnel["interval"][1] <= 1
    assert (funnel["warning"] is None) == (funnel["recall"] >= 0.95)
    assert counts["pool"] == 400 == counts["usable"] + counts["left_out"]["funnelled_out"]
    with line.api.database.transaction() as session:
        held = shards.of_phase(session, done["id"], "features")
        computed = [shard for shard in held if FeaturePart.model_validate(shard.payload).role == "pool"]
        assert sum(shard.rows_total for shard in computed) == counts["usable"] < 300
    items = line.api.get(f"/v1/selections/{done['id']}/items")["data"]
    assert len(items) == 8 and "r399" in {item["id"] for item in items}
    out = next(one["id"] for one in result["rejected"] if one["reason"] == "funnelled_out")
    told = line.api.get(f"/v1/selections/{done['id']}/candidates/{out}")
    assert told["reason"] == "funnelled_out"
