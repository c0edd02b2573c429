"""The whole line on the tiny model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.line import Line, whole_line
from tests.workers.proxy import register


@pytest.fixture
def line(
    database_url: str, proxy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Line]:
    register(proxy_folder, monkeypatch)
    listing = proxy_folder.parent / f"{proxy_folder.name}-models.json"
    with whole_line(database_url, tmp_path, listing, monkeypatch) as found:
        yield found
