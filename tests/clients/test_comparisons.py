"""Comparisons of methods by the client and by the command line, over a live API."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from evoselect_cli import exits
from evoselect_cli.main import app
from evoselect_client import Client
from evoselect_client.errors import ConflictError, InvalidRequestError
from tests.live import Api, another_tenant, question
from tests.service.comparing import uploaded, work


@pytest.fixture(scope="module")
def tenant(api: Api) -> Api:
    """A tenant of this file's own: what others left waiting is not this one's work."""
    return another_tenant(api)


@contextmanager
def workers(api: Api) -> Iterator[None]:
    """What waits is done until the block ends."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.05):
            work(api)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_the_client_compares_and_reads_the_table(tenant: Api) -> None:
    with Client(tenant.url, tenant.api_key) as client:
        body: dict[str, Any] = {**uploaded(tenant), "k": 4, "arms": ["random", "capacity"]}
        assert client.comparisons.estimate(**body)["trainings"] == 5
        with pytest.raises(InvalidRequestError, match="too little for any verdict"):
            client.comparisons.create(**body, trainings=1)
        started = client.comparisons.create(**body, trainings=4)
        assert (started.request["spec"]["seeds"], started.request["spec"]["draws"]) == (2, 2)
        assert (started.verdict, started.arms) == (None, [])
        work(tenant, until="train")
        assert started.pause().status == "paused"
        assert client.comparisons.resume(started.id).status == "running"
        assert started.cancel().status == "cancelling"
        with pytest.raises(ConflictError):
            started.pause()
        again = client.comparisons.create(**body, trainings=4)
        with workers(tenant):
            done = again.wait(timeout=60)
        assert done.verdict is not None
        assert (done.verdict.kind, done.verdict.arm, done.verdict.interim) == ("use", "capacity", False)
        assert [arm.name for arm in done.arms] == ["capacity", "random"]
        assert done.arms[0].against_random is not None
        assert done.id in done.report() == client.comparisons.report(done.id)


def test_the_command_foretells_tells_and_writes_what_the_winner_selected(
    tenant: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("URL", tenant.url), ("API_KEY", tenant.api_key), ("HOME", str(tmp_path))):
        monkeypatch.setenv(f"EVOSELECT_{name}", value)
    ids = uploaded(tenant)
    named = ["--target", ids["target_id"], "--pool", ids["pool_id"], "--test", ids["evaluation_target_id"]]
    command = ["compare-methods", *named, "-k", "4", "--arms", "random, capacity"]

    def run(*more: str) -> Any:
        return CliRunner().invoke(app, [*command, *more])

    foretold = run("--estimate")
    assert foretold.exit_code == 0, foretold.output
    assert "5 trainings: random x 3, capacity x 2" in foretold.stdout
    assert "on 40 examples a gain of" in foretold.stdout
    assert json.loads(run("--estimate", "--json").stdout)["trainings"] == 5
    out = tmp_path / "picked.jsonl"
    with workers(tenant):
        done = run("--apply", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert "use capacity (gain" in done.stdout
    told = done.stderr.splitlines()
    last = [line for line in told if "trainings measured" in line][-1]
    assert last.startswith("completed: 5 of 5 trainings measured; use capacity (gain"), told
    assert [json.loads(line)["group"] for line in out.read_text().splitlines()] == ["capacity"] * 4
    for wrong, code in ((["--minutes", "0.01"], exits.REFUSED), (["--ratio", "0.5"], exits.USAGE)):
        assert run(*wrong).exit_code == code
    assert run("--arms", "random,best").exit_code == exits.REFUSED
    file = tmp_path / "target.jsonl"
    file.write_text("".join(json.dumps(question(number)) + "\n" for number in range(8)))
    split = ["compare-methods", "--target", str(file), "--pool", ids["pool_id"], "-k", "4"]
    missing = CliRunner().invoke(app, split)
    assert (missing.exit_code, "--held-out" in missing.output) == (exits.USAGE, True)
    halves = CliRunner().invoke(app, [*split, "--held-out", "0.5", "--estimate", "--json"])
    assert json.loads(halves.stdout)["questions"] == 4
