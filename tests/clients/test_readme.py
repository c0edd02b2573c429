"""The README's examples run as they stand there, against the whole product."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from benchmarks.demo.data import build
from store.records.record import parse_record
from tests.clients.empty import empty_environment
from tests.clients.test_cli import evoselect
from tests.conftest import Stack

README = (Path(__file__).parents[2] / "README.md").read_text()
MAX_LINES = 12


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_first_example_is_short() -> None:
    assert len(blocks("python")[0].splitlines()) <= MAX_LINES


def test_the_record_is_one() -> None:
    (text,) = blocks("json")
    parse_record(json.loads(text))


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_examples_run_where_nothing_but_the_client_is_installed(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines as they stand, in an environment that holds the client's wheel and what it declares."""
    data = build(seed=5, scale=0.04)
    for name, part in (("target", data.target[:8]), ("pool", data.pool), ("test", data.test[:8])):
        lines = "".join(json.dumps(record) + "\n" for record in part)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    monkeypatch.chdir(tmp_path)
    python = empty_environment(tmp_path / "empty")
    variables = {"PATH": os.environ["PATH"], "EVOSELECT_HOME": str(stack.supervisor.home.path)}
    done = subprocess.run(
        [python, "-c", "\n".join(blocks("python")[:3])],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    *printed, nll = done.stdout.splitlines()
    picked = [line.split(" ", 2) for line in printed if re.match(r"\d+ cand-", line)]
    assert [int(rank) for rank, *_ in picked] == list(range(1, len(picked) + 1))
    assert len(picked) == round(0.15 * len(data.pool))
    rows = (tmp_path / "picked.jsonl").read_text().splitlines()
    assert len(rows) == len(picked)
    assert set(rows) <= set((tmp_path / "pool.jsonl").read_text().splitlines())
    assert float(nll) > 0
    for line in (line for text in blocks("sh") for line in text.splitlines()):
        if line.startswith("evoselect ") and "_..." not in line:  # an id that the reader has
            ran = evoselect(*shlex.split(line)[1:], home=stack.supervisor.home.path)
            assert ran.returncode == 0, ran.stderr
    assert len((tmp_path / "picked.jsonl").read_text().splitlines()) == len(picked)
