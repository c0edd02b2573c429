"""Strict type checkers over code that calls every verb, with the client as users install it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[1] / "tests" / "clients" / "typed_sample.py"
BIN = Path(sys.executable).parent


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """The sample in a folder of its own, away from this checkout's settings."""
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}))
    return Path(shutil.copy(SAMPLE, tmp_path / "sample.py"))


@pytest.mark.parametrize("version", ["3.10", "3.14"])
def test_pyright(sample: Path, version: str) -> None:
    command = [str(BIN / "pyright"), "--pythonversion", version, "--pythonpath", sys.executable, sample.name]
    done = subprocess.run(command, cwd=sample.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", ["3.10", "3.14"])
def test_mypy(sample: Path, version: str) -> None:
    command = [str(BIN / "mypy"), "--strict", "--python-version", version, sample.name]
    done = subprocess.run(command, cwd=sample.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
