"""Similar records as people and programs see them: the client, the command, the pages."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evoselect_cli import exits
from evoselect_cli.main import app
from evoselect_client import AsyncClient, Client, ConflictError, NotFoundError
from evoselect_client.models import SimilarRecords
from tests.live import Api, Json, another_tenant
from tests.service.signed_in import session_of
from tests.workers.line import Line
from tests.workers.proxy import ALIAS
from tests.workers.selections.indexes.test_index import indexed, pool_of, rows, selected
from tests.workers.selections.indexes.test_index import line as line


@pytest.fixture
def pool(line: Line, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.setenv("EVOSELECT_URL", line.api.url)
    monkeypatch.setenv("EVOSELECT_API_KEY", line.api.api_key)
    monkeypatch.setenv("EVOSELECT_HOME", str(tmp_path / "own"))
    return pool_of(line.api, rows(0, 12))


def test_the_client_asks_in_both_manners(line: Line, pool: str) -> None:
    with Client() as client:
        with pytest.raises(ConflictError, match="POST /v1/indexings"):
            client.pools.similar(pool, "r1")
        job = client.indexings.create(pool_id=pool, model=ALIAS, features={"kind": "hidden"})
        while line.place.drain():
            pass
        assert job.wait().output()["usable"] == 12
        found = client.pools.similar(pool, "r1", limit=4)
        assert [one.number for one in found.data] == [
            one.number for one in client.pools.retrieve(pool).similar("r1", limit=4).data
        ]
        assert found.index.indexing_id == job.id
        with pytest.raises(NotFoundError):
            client.pools.similar(pool, "nobody")
        with pytest.raises(ConflictError, match="record"):
            client.pools.similar(pool, text="capital")

    async def awaited() -> SimilarRecords:
        async with AsyncClient() as client:
            return await client.pools.similar(pool, "r1", limit=4)

    assert asyncio.run(awaited()) == found


def test_the_command_shows_them_and_says_what_is_missing(line: Line, pool: str) -> None:
    run = CliRunner().invoke
    none = run(app, ["pools", "similar", pool, "--record", "r1"])
    assert none.exit_code == exits.REFUSED
    assert run(app, ["pools", "similar", pool]).exit_code == exits.USAGE
    assert run(app, ["pools", "similar", pool, "--text", "capital"]).exit_code == exits.REFUSED
    indexed(line, pool, model=ALIAS, features={"kind": "hidden"})
    line.api.made(f"/v1/pools/{pool}/batches", {"records": rows(12, 14)})
    shown = run(app, ["pools", "similar", pool, "--record", "r1", "--limit", "3"])
    assert shown.exit_code == 0
    assert "2 records came to the pool after its index" in shown.stderr
    told = json.loads(run(app, ["pools", "similar", pool, "--record", "r1", "--json"]).stdout)
    assert len(told["data"]) == 10
    assert all(row["record"]["id"] in shown.stdout for row in told["data"][:3])


def test_pages_lead_from_a_candidate_to_what_is_like_it(line: Line, pool: str) -> None:
    job = selected(line, pool, dim=64)
    session = session_of(line.api)
    listed = session.page(f"/pools/{pool}").text
    assert f"/ui/pools/{pool}/similar?record=" in listed
    candidate = session.page(f"/selections/{job['id']}/candidates/r3").text
    path = candidate.partition(f'href="/ui/pools/{pool}/similar?record=')[2].partition('"')[0]
    assert len(path) == 64
    before = session.page(f"/pools/{pool}/similar?record={path}")
    assert before.status_code == 409
    assert "Make the index" in before.text
    assert job["id"] in before.text
    made: Json = session.call("POST", "/indexings", json={"pool_id": pool}).json()
    assert made["id"] in session.page("/indexings").text
    while line.place.drain():
        pass
    assert "Laying the records out" in session.page(f"/indexings/{made['id']}").text
    page = session.page(f"/pools/{pool}/similar?record={path}")
    assert page.status_code == 200
    assert page.text.count("records like this one") == 11
    assert "gradients" in page.text
    line.api.made(f"/v1/pools/{pool}/batches", {"records": rows(12, 14)})
    assert "Take them in" in session.page(f"/pools/{pool}/similar?record={path}").text
    strangers: Api = another_tenant(line.api)
    assert session_of(strangers).page(f"/pools/{pool}/similar?record={path}").status_code == 404
