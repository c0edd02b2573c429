"""What failed beside others runs once more alone; what fails there too fails the suite."""

from pathlib import Path

import pytest

from tests import suite

ONCE = """
from pathlib import Path
def test_beside_others() -> None:
    first = not Path({mark!r}).exists()
    Path({mark!r}).touch()
    assert not first
def test_that_passes() -> None:
    pass
"""
ALWAYS = "def test_of_a_fault() -> None:\n    assert False\n"
MANY = "".join(f"def test_{number}() -> None:\n    assert False\n" for number in range(9))


def run(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> int:
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_made.py").write_text(code)
    monkeypatch.chdir(folder)
    return suite.main([], folder / ".pytest_cache" / "v" / "cache" / "lastfailed")


def test_a_test_that_starved_passes_alone_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, ONCE.format(mark=str(tmp_path / "ran")), monkeypatch) == 0
    printed = capfd.readouterr().out
    assert "1 failed beside others; once more, alone:\n   test_made.py::test_beside_others" in printed
    assert "PASSED ONLY ALONE: 1 tests" in printed


def test_a_fault_fails_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(tmp_path, ALWAYS, monkeypatch) == 1


def test_many_failures_are_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, MANY, monkeypatch) == 1
    assert "once more" not in capfd.readouterr().out
