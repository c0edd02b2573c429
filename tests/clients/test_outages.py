"""The API is killed and started again under a client that uploads or waits: both finish."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from evoselect_client import AsyncClient, Client
from tests.clients.restarting import Restarting, restarting
from tests.live import Api, question
from tests.service.test_routes import complete

RECORDS = 12_000


@pytest.fixture(scope="module")
def mortal(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restarting]:
    """An API process that can be killed."""
    with restarting(api, tmp_path_factory.mktemp("mortal")) as process:
        yield process


def records(mortal: Restarting, kill_at: int) -> Iterator[dict[str, object]]:
    for number in range(RECORDS):
        if number == kill_at:
            mortal.kill()
        yield question(number, metadata={"filler": "x" * 900})


def test_an_upload_outlives_a_kill(api: Api, mortal: Restarting) -> None:
    with Client(mortal.url, api.api_key, max_retries=0) as client:
        pool = client.pools.create()
        upload = pool.add(records(mortal, RECORDS // 2), part_bytes=4_000_000)
        assert len(upload.batch_ids) > 2
        assert (upload.counts.received, upload.counts.duplicates) == (RECORDS, 0)
        assert client.pools.retrieve(pool.id).count == RECORDS


def test_waiting_outlives_a_kill_by_stream_and_by_poll(api: Api, mortal: Restarting) -> None:
    """A client that awaits follows the events, one that watches polls; both get the end."""
    with Client(mortal.url, api.api_key) as client:
        job = client.selections.create(target=[question(9)], candidates=[question(n) for n in range(4)], k=1)
        states: list[str] = []
        watching = threading.Thread(target=lambda: states.append(job.wait(progress=lambda _: None).status))
        following = threading.Thread(target=lambda: states.append(asyncio.run(follow(mortal, api, job.id))))
        for thread in (watching, following):
            thread.start()
        threading.Event().wait(0.5)
        mortal.kill()
        complete(api, job.id, [])  # while the API is away
        for thread in (watching, following):
            thread.join(30)
    assert states == ["completed", "completed"]


async def follow(mortal: Restarting, api: Api, job_id: str) -> str:
    async with AsyncClient(mortal.url, api.api_key) as client:
        job = await client.selections.retrieve(job_id)
        return (await job.wait(timeout=60)).status


def test_an_upload_goes_on_in_another_process(api: Api, tmp_path: Path) -> None:
    """The same input under the same upload_id: what has arrived is not sent again."""
    path = tmp_path / "pool.jsonl"
    lines = [
        f'{{"prompt":"{n}?","completion":"{n}","metadata":{{"x":"{"y" * 900}"}}}}\n' for n in range(9_000)
    ]
    path.write_text("".join(lines))
    with Client(api.url, api.api_key) as client:
        pool = client.pools.create()
        with pytest.raises(RuntimeError):
            pool.add(path, upload_id="night", part_bytes=4_000_000, progress=die)
        first = client.pools.retrieve(pool.id)
        assert (first.version, 0 < first.count < 9_000) == (1, True)
        upload = pool.add(path, upload_id="night", part_bytes=4_000_000)
        assert (upload.counts.received, upload.counts.duplicates) == (9_000, 0)
        assert client.pools.retrieve(pool.id).version == len(upload.batch_ids) == upload.version
        again = pool.add(path, upload_id="night", part_bytes=4_000_000)
        assert again.batch_ids == upload.batch_ids


def die(done: int) -> None:
    """As a process does that is killed after its first part."""
    raise RuntimeError(f"after {done} records")
