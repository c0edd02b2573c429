"""The Python blocks of the tutorial and the how-tos run as they stand, in order."""

import re
from pathlib import Path

import pytest

from evoselect_client.models import Selection
from tests.clients.test_cli import evoselect
from tests.conftest import Stack

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)


@pytest.fixture(autouse=True)
def here(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and a client that finds the product by itself."""
    monkeypatch.chdir(tmp_path)
    for name in ("EVOSELECT_URL", "EVOSELECT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EVOSELECT_HOME", str(stack.supervisor.home.path))


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_tutorial(stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for text in blocks("tutorial.md"):
        exec(text, names)
    picked = re.findall(r"^(\d) \d\.\d{3} (.+)$", capsys.readouterr().out, re.MULTILINE)
    assert [int(rank) for rank, _ in picked] == [1, 2, 3, 4, 5, 6]
    page = Path("report.html").read_text()
    assert page.lower().startswith("<!doctype html>")
    selection = names["selection"]
    assert isinstance(selection, Selection)
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o700)
    home = stack.supervisor.home.path
    asked = ["report", selection.id, "--out", "again.html", "--open"]
    done = evoselect(*asked, home=home, variables={"BROWSER": str(browser)})
    assert done.returncode == 0, done.stderr
    assert selection.id in Path("again.html").read_text()
    assert (tmp_path / "opened").read_text().strip() == (tmp_path / "again.html").as_uri()


@pytest.mark.slow
def test_the_how_tos(capsys: pytest.CaptureFixture[str]) -> None:
    for text in blocks("howto.md"):
        exec(text, {"__name__": "__main__"})
    printed = capsys.readouterr().out
    ended = r"'cancell(ed|ing)'"  # a shard that runs already is let go a moment later
    assert re.search(rf"\[{ended}, {ended}\]", printed)
    assert printed.count("10\n") == 4
    assert "refused: The header webhook-timestamp is missing." in printed
