"""A loop on the tiny model with everything in it: asked candidates, a judge, anchors, a guard, health."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from store.artifacts import Artifacts
from tests.live import Json, serve
from tests.workers.chat_server import completion, reply, scripted
from tests.workers.proxy import ALIAS, register
from workers.context import Context
from workers.process import siblings
from workers.process.workplace import Workplace

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]

QUEUES = ["features", "select", "train", "ops", "generate"]
WORDS = ("france", "paris", "spain", "madrid", "italy", "rome", "japan", "tokyo", "egypt", "cairo")


def row(number: int) -> Json:
    first, second = WORDS[number % 10], WORDS[(number * 3 + number // 10) % 10]
    return {
        "prompt": f"{number} capital of {first} {second} please",
        "completion": f" {WORDS[(number + 1) % 10]}",
    }


@pytest.fixture
def place(
    database_url: str, proxy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Any, Workplace]]:
    register(proxy_folder, monkeypatch)
    listing = proxy_folder.parent / f"{proxy_folder.name}-models.json"
    monkeypatch.setenv(siblings.VARIABLE, "family")
    inside = {"generator_networks": "127.0.0.0/8", "models": listing}
    with serve(database_url, tmp_path, **inside) as api:
        context = Context(api.settings, api.database, Artifacts(api.settings.artifacts_url))
        yield api, Workplace(context, QUEUES)


def answer(handler: Any, bodies: list[Json]) -> None:
    """Generator and judge in one: makes five rows a request, and finds those of an odd number wrong."""
    said = bodies[-1]["messages"][-1]["content"]
    if "What is right" in said:
        number = int(json.loads(said.rpartition("\n")[2])["prompt"].split()[0])
        reply(handler, 200, completion(json.dumps({"score": 0.2 if number % 2 and number >= 100 else 0.9})))
        return
    first = 100 + 5 * len(bodies)
    reply(handler, 200, completion("\n".join(json.dumps(row(first + at)) for at in range(5))))


def test_a_loop_with_everything(place: tuple[Any, Workplace]) -> None:
    api, worker = place
    target = api.made("/v1/targets", {"records": [row(n) for n in range(12)], "held_out": {"ratio": 0.4}})
    guard = api.made("/v1/targets", {"records": [row(n) for n in range(30, 34)]})["id"]
    bodies: list[Json] = []
    with scripted(lambda handler: answer(handler, bodies)) as (url, script):
        bodies = script.bodies
        body = {
            "target_id": target["id"],
            "base_model": ALIAS,
            "generator": {"kind": "openai", "url": url, "model": "g", "size": 20, "concurrency": 1},
            "verifier": {"kind": "judge", "url": url, "model": "j", "concurrency": 1},
            "k": 4,
            "rounds": 2,
            "anchor_share": 0.34,
            "guard_target_id": guard,
            "features": {"dim": 64, "layers": "all"},
            "training": {"max_steps": 1, "batch_size": 2},
        }
        loop = api.made("/v1/loops", body)
        while worker.drain():
            pass
    done = api.get(f"/v1/loops/{loop['id']}")
    assert done["status"] == "completed", done["error"]
    first, second = api.get(f"/v1/loops/{loop['id']}/rounds")["data"]
    checked = first["generated"]["verifier"]
    assert (checked["scored"], checked["unverified"], checked["mean"]) == (20, 0, pytest.approx(0.55))
    assert checked["auc"] == 0.5  # it finds every row of the target right, its answer swapped or not
    assert second["generated"]["verifier"]["auc"] is None
    codes = [warning["code"] for warning in first["health"]["warnings"]]
    assert {"tiny_target", "verifier_blind"} <= set(codes)
    assert first["health"]["generated_share"] == pytest.approx(4 / 6)
    assert first["health"]["candidates"]["rows"] == 10  # what is below 0.5 is not usable
    assert (first["guard"]["loss"], second["guard"]["base"]) == ("answer_nll", first["guard"]["base"])
    selection = api.get(f"/v1/selections/{first['arms']['selected']['selection_id']}")
    assert selection["result"]["counts"]["left_out"] == {"low_quality": 10}
    items = api.get(f"/v1/selections/{selection['id']}/items")["data"]
    assert all(int(item["record"]["prompt"].split()[0]) % 2 == 0 for item in items)
    lineage = api.get(f"/v1/models/{first['arms']['selected']['model_id']}/lineage")
    assert len(lineage["records"]) == 6
    own = first["arms"]["selected"]["evaluation"]
    assert done["result"]["best_reported"]["n"] == own["n"] - own["halves"][0]["n"] > 0
    page = api.call("GET", f"/v1/loops/{loop['id']}/report", headers={"Accept": "text/html"}).text
    assert "Health by round" in page
    assert "tiny target" in page
