"""What one tenant may take of a process: slots, lines, and one answer for many who ask at once."""

import asyncio
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.routing import APIRoute
from starlette.types import Message, Receive, Scope, Send

from service.app import create_app
from service.data.pools import Intake
from service.data.requests import BatchRequest
from service.edge.body_limit import SMALL_BYTES, BodyLimit
from service.http.fair import FairRoute, Together
from service.http.problems import Problem
from service.http.shares import Counted, Slots
from service.services import open_state
from tests.live import Api


async def in_line(slots: Slots, tenant: str, count: int) -> tuple[list[asyncio.Task[None]], asyncio.Event]:
    """So many who want a slot and keep it until the event."""
    over = asyncio.Event()

    async def hold() -> None:
        async with slots.of(tenant):
            await over.wait()

    tasks = [asyncio.create_task(hold()) for _ in range(count)]
    await asyncio.sleep(0.01)
    return tasks, over


def test_a_tenant_waits_for_its_own_and_no_other() -> None:
    async def run() -> None:
        slots = Slots("things", 2, line=3, seconds=5)
        tasks, over = await in_line(slots, "a", 5)
        with pytest.raises(Problem) as full:
            await slots.enter("a")
        assert (full.value.status_code, full.value.code) == (429, "too_many_at_once")
        assert full.value.headers == {"Retry-After": "2"}
        async with asyncio.timeout(0.1):
            await slots.enter("b")
        tasks[2].cancel()  # one in line leaves: its place is free, and no slot is lost
        await asyncio.sleep(0.01)
        over.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(2):
            await slots.enter("a")
        assert slots._held == {"a": 2, "b": 1}

    asyncio.run(run())


def test_a_line_is_not_stood_in_for_ever() -> None:
    async def run() -> None:
        slots = Slots("things", 1, line=1, seconds=0.05)
        await slots.enter("a")
        with pytest.raises(Problem):
            await slots.enter("a")
        slots.leave("a")
        await slots.enter("a")

    asyncio.run(run())


def test_threads_are_counted_by_tenant() -> None:
    counted = Counted("things", 1)
    with counted.of("a"):
        with pytest.raises(Problem), counted.of("a"):
            pass
        with counted.of("b"):
            pass
    with counted.of("a"):
        pass


def test_who_asks_at_the_same_time_is_answered_together() -> None:
    computed: list[int] = []

    def compute() -> int:
        computed.append(1)
        if len(computed) == 3:
            raise ValueError("the third time")
        return len(computed)

    async def run() -> None:
        together = Together(compute)
        first = asyncio.create_task(together.answer())
        await asyncio.sleep(0.01)
        assert await first == 1
        assert await asyncio.gather(*(together.answer() for _ in range(100))) == [2] * 100
        with pytest.raises(ValueError, match="third"):
            await together.answer()
        assert await together.answer() == 4

    asyncio.run(run())


def test_large_bodies_of_one_tenant_are_taken_a_few_at_a_time(api: Api) -> None:
    async def run() -> None:
        reached: dict[str, int] = {"a": 0, "b": 0}
        over = asyncio.Event()

        async def inner(scope: Scope, receive: Receive, send: Send) -> None:
            while (await receive())["more_body"]:
                pass
            reached[scope["state"]["tenant_id"]] += 1
            await over.wait()

        limit = BodyLimit(inner, open_state(api.settings))

        def sent(tenant: str, size: int) -> asyncio.Task[None]:
            pieces = [size // 2, size - size // 2]
            scope = {"type": "http", "path": "/v1/pools", "headers": [], "state": {"tenant_id": tenant}}

            async def receive() -> Message:
                return {"type": "http.request", "body": bytes(pieces.pop()), "more_body": bool(pieces)}

            async def send(message: Message) -> None:
                raise AssertionError("nothing is answered")

            return asyncio.create_task(limit(scope, receive, send))

        tasks = [sent("a", SMALL_BYTES + 2) for _ in range(6)]
        await asyncio.sleep(0.05)
        assert reached == {"a": 3, "b": 0}
        tasks += [sent("b", SMALL_BYTES + 2), sent("a", SMALL_BYTES)]
        await asyncio.sleep(0.05)
        assert reached == {"a": 4, "b": 1}  # a small one passes
        over.set()
        await asyncio.gather(*tasks)
        assert reached == {"a": 7, "b": 1}

    asyncio.run(run())


def test_parquet_children_are_counted(api: Api, other: Api, tmp_path: Path) -> None:
    state = open_state(api.settings)
    pq.write_table(pa.table({"prompt": ["a?"], "completion": ["b"]}), tmp_path / "one.parquet")

    def read(tenant: Api) -> int:
        pool_id = tenant.made("/v1/pools", {})["id"]
        with (tmp_path / "one.parquet").open("rb") as file:
            batch = Intake(state, tenant.tenant_id, pool_id, BatchRequest(records=[])).from_file(file)
        return batch.counts.accepted

    with state.shares.parquet.of(api.tenant_id), state.shares.parquet.of(api.tenant_id):
        with pytest.raises(Problem) as refused:
            read(api)
        assert refused.value.status_code == 429
        assert read(other) == 1
    assert read(api) == 1


def test_every_route_counts_against_its_tenant(api: Api) -> None:
    left_out = {"/livez", "/version", "/readyz", "/metrics"}
    for route in create_app(api.settings).routes:
        if isinstance(route, APIRoute):
            assert isinstance(route, FairRoute), route.path
            looks = route.path in left_out or (route.path.endswith("/{job_id}") and route.methods == {"GET"})
            assert route.fair or looks, route.path
