"""The README's examples run as they stand there, against the whole product."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.demo.data import build
from store.records import parse_record
from tests.conftest import Stack

README = (Path(__file__).parents[2] / "README.md").read_text()
MAX_LINES = 12


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_first_example_is_short() -> None:
    assert len(blocks("python")[0].splitlines()) <= MAX_LINES


def test_the_record_is_one() -> None:
    for text in blocks("json"):
        parse_record(json.loads(text))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_examples_run(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = build(seed=5, scale=0.04)
    for name, part in (("target", data.target[:8]), ("pool", data.pool), ("test", data.test[:8])):
        lines = "".join(json.dumps(record) + "\n" for record in part)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVOSELECT_URL", raising=False)
    monkeypatch.delenv("EVOSELECT_API_KEY", raising=False)
    monkeypatch.setenv("EVOSELECT_HOME", str(stack.supervisor.home.path))
    names: dict[str, object] = {}
    first, second = blocks("python")
    exec(first, names)
    printed = capsys.readouterr().out.splitlines()
    picked = [line.split(" ", 2) for line in printed if re.match(r"\d+ cand-", line)]
    assert [int(rank) for rank, *_ in picked] == list(range(1, len(picked) + 1))
    assert len(picked) == round(0.15 * len(data.pool))
    exec(second, names)
    assert float(capsys.readouterr().out) > 0
