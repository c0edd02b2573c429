"""The asynchronous client: the same verbs, awaited; types that a type checker knows."""

import asyncio
import hashlib
import json
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import assert_type

import httpx
import pytest

from evoselect_client import AsyncClient, Client, ConflictError, ConnectionFailedError, NotFoundError
from evoselect_client.core.steps import Async, Sync
from evoselect_client.models import Pool, Selection, Target
from tests.live import Api, question
from tests.service.test_routes import complete


def test_a_selection_from_records_to_items(api: Api, tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(json.dumps(question(n)) + "\n" for n in range(20)))

    async def use() -> None:
        async with AsyncClient(api.url, api.api_key) as client:
            target = await client.targets.create([question(99)])
            pool = await client.pools.create(name="async")
            upload = await pool.add(path)
            assert upload.counts.accepted == 20
            selection = await client.selections.create(target_id=target.id, pool_id=pool.id, k=2)
            with pytest.raises(ConflictError):
                await anext(selection.items())
            rows = [
                {"rank": n, "id": f"c{n}", "content_hash": f"{n:064}", "weight": 1.0, "record": question(n)}
                for n in (1, 2, 3)
            ]
            await asyncio.to_thread(complete, api, selection.id, rows)
            done = await selection.wait(timeout=20)
            assert [item.rank async for item in done.items(page_size=2)] == [1, 2, 3]
            assert (await anext(done.events())).sequence == 1
            assert selection.id in [one.id async for one in client.selections.list(page_size=1)]
            with pytest.raises(NotFoundError):
                await client.targets.retrieve("tgt_00000000000000000000000000")

    asyncio.run(use())


def test_many_waits_share_one_loop(api: Api) -> None:
    """Ten jobs are waited for at once; each is cancelled meanwhile."""

    async def use() -> float:
        async with AsyncClient(api.url, api.api_key) as client:
            target = await client.targets.create([question(99)])
            pool = await client.pools.create()
            await pool.add([question(n) for n in range(3)])
            jobs = [
                await client.selections.create(target_id=target.id, pool_id=pool.id, k=1) for _ in range(10)
            ]
            started = time.monotonic()
            waits = [asyncio.create_task(job.wait()) for job in jobs]
            await asyncio.gather(*(job.cancel() for job in jobs))
            ended = await asyncio.gather(*waits, return_exceptions=True)
            assert {getattr(error, "code", error) for error in ended} == {"cancelled"}
            return time.monotonic() - started

    assert asyncio.run(use()) < 10


def test_other_coroutines_run_while_a_file_is_hashed(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash waits here until another coroutine has run: on the event loop it would wait in vain."""
    path, ticked = tmp_path / "pool.jsonl", threading.Event()
    path.write_bytes(bytes(100_000))
    whole = hashlib.sha256(path.read_bytes()).hexdigest()

    class Patient:
        def __init__(self, content: bytes = b"") -> None:
            self.real = hashlib.sha256()
            if content:
                self.update(content)

        def update(self, content: bytes) -> None:
            ticked.clear()
            assert ticked.wait(10), "nothing else ran"
            self.real.update(content)

        def hexdigest(self) -> str:
            return self.real.hexdigest()

    async def tick() -> None:
        while True:
            ticked.set()
            await asyncio.sleep(0.001)

    async def use() -> None:
        async with AsyncClient(api.url, api.api_key) as client:
            ticking = asyncio.create_task(tick())
            upload = await client.uploads.create()
            await client.uploads.put_part(upload.id, 2, bytes(40_000))
            file = await client.files.create(path, upload_id=upload.id, part_bytes=40_000)
            assert file.sha256 == whole
            ticking.cancel()

    monkeypatch.setattr("evoselect_client.resources.files.hashlib", SimpleNamespace(sha256=Patient))
    asyncio.run(use())


def test_tries_end_as_they_do_for_the_other_client() -> None:
    tries = 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        raise httpx.ConnectError("refused")

    async def use() -> None:
        http = httpx.MockTransport(handler)
        async with AsyncClient("http://service", "evs_x", http=http, max_retries=1) as client:
            await client.pools.create()

    with pytest.raises(ConnectionFailedError, match="in 2 tries"):
        asyncio.run(use())
    assert tries == 2


async def types(client: Client, other: AsyncClient) -> None:
    """Never run: `make check` fails where a verb's type is not the one that users see."""
    assert_type(client.targets.create([]), Target)
    assert_type(client.pools.create(), Pool[Sync])
    selection = client.selections.create(k=1)
    assert_type(selection, Selection[Sync])
    assert_type(selection.wait(progress=True), Selection[Sync])
    assert_type([item.rank for item in selection.items()], list[int])
    awaited = await other.selections.create(k=1)
    assert_type(awaited, Selection[Async])
    assert_type(await awaited.wait(), Selection[Async])
    assert_type([item.rank async for item in awaited.items()], list[int])
    plain: Selection = selection  # without a parameter it is the synchronous one
    assert_type(plain.cancel(), Selection[Sync])
