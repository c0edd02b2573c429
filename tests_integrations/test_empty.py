"""The client, installed from the package index into an environment without anything else."""

import json
import re
import sys
from pathlib import Path

import pytest

from evoselect_client import Client

README = Path(__file__).parents[1] / "README.md"
MAX_LINES = 12


def test_the_first_example_of_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, numbers in (("target", range(3)), ("pool", range(10, 30))):
        lines = (json.dumps({"prompt": f"{n} + 1?", "completion": str(n + 1)}) + "\n" for n in numbers)
        Path(f"{name}.jsonl").write_text("".join(lines))
    first = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)[0]
    assert len(first.splitlines()) <= MAX_LINES
    exec(first, {})
    ranks = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert ranks == ["1", "2", "3"]  # 15 % of 20


def test_nothing_else_is_needed() -> None:
    assert list(Client().models.list())
    assert not {"numpy", "pandas", "torch", "rich"} & sys.modules.keys()
