"""Loops by the client and by the command line, against a live API without workers."""

import json
from pathlib import Path
from typing import Any

import pytest

from evoselect_cli import exits
from evoselect_client import Client
from evoselect_client.errors import ConflictError
from store.jobs import claims, shards
from store.jobs.claims import Offer
from store.loops import advance as loops
from store.settings import Settings
from tests.clients.test_cli import evoselect
from tests.live import Api, question

SIDE = {
    "rows": 9, "vendi": 2.0, "diversity": 1.0, "coverage": 0.5, "distance": 0.5, "length_ratio": 1.0,
    "opening_share": 0.1,
}  # fmt: skip
HEALTH = {
    "candidates": SIDE, "selected": SIDE, "target_rows": 9, "target_opening_share": 0.1,
    "generated_share": 1.0,
}  # fmt: skip


def look(api: Api) -> None:
    """What the ops worker does."""
    with api.database.transaction() as session:
        while claim := claims.claim(session, Offer("ops", ("advance",), "test", 60.0)):
            loops.advance(session, Settings(), claim.job_id)
            shards.commit(session, claim, {})


def test_a_loop_is_fed_paused_and_resumed(api: Api) -> None:
    with Client(api.url, api.api_key) as client:
        target = client.targets.create([question(1), question(2)]).id
        loop = client.loops.create(
            target_id=target, evaluation_target_id=target, generator={"kind": "push"}, k=1, rounds=3
        )
        look(api)
        (first,) = loop.rounds()
        assert (first.number, first.state, first.health, first.warnings) == (1, "waiting", None, [])
        assert loop.push(1, [question(3)], more=True).counts.accepted == 1
        assert client.loops.push(loop.id, 1, [question(3), question(4)]).counts.duplicates == 1
        look(api)
        (first,) = client.loops.rounds(loop.id)
        assert loop.report() == client.loops.report(loop.id)
        assert first.arms["selected"].selection_id
        assert loop.pause().status == "paused"
        assert client.loops.resume(loop.id).status == "running"
        assert loop.cancel().status == "cancelled"
        with pytest.raises(ConflictError):
            loop.resume()


def test_the_command_line_runs_shows_and_cancels(api: Api, tmp_path: Path) -> None:
    def run(*arguments: str) -> Any:
        done = evoselect("loop", *arguments, home=tmp_path, api=api)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    target = api.made("/v1/targets", {"records": [question(1)]})["id"]
    body = {"target_id": target, "evaluation_target_id": target, "generator": {"kind": "push"}, "k": 1}
    settings = tmp_path / "loop.json"
    settings.write_text(json.dumps(body))
    loop_id = run("run", str(settings), "--no-wait", "--json")["id"]
    look(api)
    assert run("show", loop_id, "--json")["rounds"][0]["state"] == "waiting"
    shown = evoselect("loop", "show", loop_id, home=tmp_path, api=api)
    assert "waiting" in shown.stdout
    with api.database.transaction() as session:
        row = loops.open_round(session, loop_id)
        assert row is not None
        row.health = {**HEALTH, "warnings": [{"code": "tiny_target", "detail": "30 would do"}]}
    shown = evoselect("loop", "show", loop_id, home=tmp_path, api=api)
    assert "round 1: tiny_target: 30 would do" in shown.stdout
    page = tmp_path / "loop.html"
    saved = evoselect("report", loop_id, "--out", str(page), home=tmp_path, api=api)
    assert saved.returncode == 0, saved.stderr
    assert loop_id in page.read_text()
    assert run("cancel", loop_id, "--json")["status"] == "cancelled"
    settings.write_text("[]")
    wrong = evoselect("loop", "run", str(settings), home=tmp_path, api=api)
    assert wrong.returncode == exits.USAGE
