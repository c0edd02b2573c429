"""evoselect watch, compare, explain, keys, and select where no service is configured."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.demo.data import build
from evoselect_cli import exits
from tests.clients.test_cli import evoselect
from tests.clients.test_jobs import run
from tests.live import Api, question
from tests.service.test_routes import complete, make_selection

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


def test_a_job_is_watched_to_its_end(api: Api, tmp_path: Path) -> None:
    done, stopped = make_selection(api), make_selection(api)
    complete(api, done["id"], [])
    assert run("watch", done["id"], home=tmp_path, api=api)["status"] == "completed"
    api.post(f"/v1/selections/{stopped['id']}/cancel", {})
    failed = evoselect("watch", stopped["id"], home=tmp_path, api=api)
    assert (failed.returncode, "is cancelled" in failed.stderr) == (exits.FAILED, True)


def test_keys_are_made_and_ended(api: Api, tmp_path: Path) -> None:
    key = run(
        "keys", "create", "pipeline", "--scope", "select:read", "--scope", "train", home=tmp_path, api=api
    )
    assert key["scopes"] == ["select:read", "train"]
    fresh = run("keys", "rotate", key["id"], "--overlap", "0", home=tmp_path, api=api)
    assert fresh["secret"] != key["secret"]
    assert run("keys", "revoke", fresh["id"], home=tmp_path, api=api)["revoked_at"]
    listed = evoselect("keys", "list", home=tmp_path, api=api)
    assert key["hint"] in listed.stdout
    assert key["secret"] not in listed.stdout


def test_the_exit_codes_are_documented() -> None:
    told = {int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, re.MULTILINE)}
    constants = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert told.keys() == {0} | constants
    for entry in exits.HELP.removeprefix("Exit codes: ").split("; "):
        code, meaning = entry.split(" ", 1)
        assert told[int(code)].startswith(meaning)


def test_the_shell_completes_commands() -> None:
    environment = {
        **os.environ,
        "_EVOSELECT_COMPLETE": "complete_bash",
        "COMP_WORDS": "evoselect wa",
        "COMP_CWORD": "1",
    }
    program = "import sys; sys.argv[0] = 'evoselect'; from evoselect_cli.main import app; app()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.split() == ["watch"], done.stderr


@pytest.mark.long
@pytest.mark.timeout(240)
def test_select_starts_a_service_where_there_is_none(tmp_path: Path) -> None:
    """From two files to a third in one line, and nothing is left running."""
    data = build(seed=5, scale=0.04)
    for name, records in (("t", data.target[:4]), ("p", data.pool[:24])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    arguments = ["--target", str(tmp_path / "t.jsonl"), "--pool", str(tmp_path / "p.jsonl"), "-k", "3"]
    home, out = tmp_path / "home", tmp_path / "picked.jsonl"
    proxies = {"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "socks5://127.0.0.1:9"}  # not to be asked
    done = evoselect("select", *arguments, "--out", str(out), home=home, timeout=200, variables=proxies)
    assert done.returncode == 0, done.stderr
    assert "No service is configured: starting one" in done.stderr
    picked: list[dict[str, Any]] = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(picked) == 3
    assert {record["prompt"] for record in picked} <= {record["prompt"] for record in data.pool[:24]}
    assert json.loads(evoselect("status", "--json", home=home).stdout)["pid"] is None
    refused = evoselect("select", *arguments, "--no-wait", home=home)
    assert refused.returncode == exits.NO_SERVICE  # a job that nobody would do is not started


def test_compare_and_explain(api: Api, tmp_path: Path) -> None:
    job = api.made("/v1/selections", {"target": [question(9)], "candidates": [question(1)], "k": 1})
    early = evoselect("compare", job["id"], job["id"], home=tmp_path, api=api)
    assert (early.returncode, "selection_not_completed" in early.stderr) == (exits.REFUSED, True)
    unknown = evoselect("explain", job["id"], "c1", home=tmp_path, api=api)
    assert unknown.returncode == exits.REFUSED
