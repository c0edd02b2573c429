"""Saving an adapter: its files as PEFT names them, checked, once."""

import asyncio
import builtins
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evoselect_client import AsyncClient, Client, DamagedDownloadError, EvoSelectError
from tests.live import Api
from tests.service.test_trained import trained

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def client(api: Api) -> Client:
    return Client(api.url, api.api_key)


def test_an_adapter_is_saved_and_not_fetched_twice(api: Api, client: Client, tmp_path: Path) -> None:
    model_id = trained(api, ["a"])
    folder = client.models.save(model_id, tmp_path / "new" / "adapter")
    assert [path.name for path in folder.iterdir()] == [WEIGHTS]
    assert (folder / WEIGHTS).read_bytes() == b"weights of a"
    before = (folder / WEIGHTS).stat().st_ino
    client.models.save(model_id, folder)
    assert (folder / WEIGHTS).stat().st_ino == before
    (folder / WEIGHTS).write_bytes(b"weights of b")
    client.models.save(model_id, folder)
    assert (folder / WEIGHTS).read_bytes() == b"weights of a"


def test_the_loop_goes_on_while_files_are_written(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_id, threads = trained(api, ["b"]), set[str]()

    def seen(function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(path: Any, *given: Any, **more: Any) -> Any:
            if isinstance(path, (str, Path)) and Path(path).is_relative_to(tmp_path):
                threads.add(threading.current_thread().name)
            return function(path, *given, **more)

        return noted

    monkeypatch.setattr(builtins, "open", seen(open))
    monkeypatch.setattr(Path, "open", seen(Path.open))

    async def use() -> str:
        async with AsyncClient(api.url, api.api_key) as client:
            for _ in range(2):
                await client.models.save(model_id, tmp_path)
        return threading.current_thread().name

    assert asyncio.run(use()) not in threads
    assert threads
    assert (tmp_path / WEIGHTS).read_bytes() == b"weights of b"


def test_a_damaged_file_is_not_written(api: Api, client: Client, tmp_path: Path) -> None:
    model_id = trained(api, ["c"])
    [stored] = Path(api.settings.artifacts_url.removeprefix("file://")).rglob(
        f"*{client.models.retrieve(model_id).files[WEIGHTS].sha256[:8]}*"
    )
    stored.chmod(0o600)
    stored.write_bytes(b"weights of d")
    with pytest.raises(DamagedDownloadError, match=f"{WEIGHTS} came damaged"):
        client.models.save(model_id, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_base_model_has_no_files(api: Api, client: Client, tmp_path: Path) -> None:
    with pytest.raises(EvoSelectError, match="is a base model"):
        client.models.save(api.settings.default_model, tmp_path)
