"""A folder with the examples' files, and one completed selection of their rows."""

from pathlib import Path

import pytest

from evoselect_client import Client
from evoselect_client.integrations.selecting import select
from evoselect_client.models import Selection
from tests_integrations.examples import POOL, TARGET, K, write_files


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, with target.jsonl and pool.jsonl in it."""
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def selection() -> Selection:
    """One completed selection."""
    return select(Client(), TARGET, POOL, k=K)
