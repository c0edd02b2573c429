"""Loaded proxies of the worker tests."""

from pathlib import Path

import pytest

from tests.workers.proxy import ALIAS, register, write_proxy
from workers.models.loading import LoadedModel, load


@pytest.fixture(scope="session")
def proxy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model and its tokenizer."""
    return write_proxy(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def proxy(proxy_folder: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedModel:
    """The tiny model, loaded through the registry in float32."""
    register(proxy_folder, monkeypatch)
    return load(ALIAS, dtype="float32")
