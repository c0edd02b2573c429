"""How many requests of one caller the event loop has between key and route at a time."""

import asyncio
from collections import Counter

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.edge.authentication import Authentication
from service.edge.rates import RateLimit
from service.http.problems import Problem
from service.http.shares import NOBODY, Slots
from service.services import State, open_state
from tests.live import Api

AT_ONCE = 16


def request(key: str) -> Scope:
    bearer = f"Bearer {key}".encode()
    return {
        "type": "http",
        "method": "GET",
        "path": "/v1/pools",
        "headers": [(b"authorization", bearer)],
        "state": {"request_id": "req_x"},
    }


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Message) -> None:
    raise AssertionError("nothing is answered")


class Inside:
    """What stands behind the keys: requests stay until the gate opens."""

    def __init__(self) -> None:
        self.reached: Counter[str] = Counter()
        self.gate = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached[scope["state"]["tenant_id"]] += 1
        await self.gate.wait()

    async def settled(self, expected: dict[str, int]) -> bool:
        """Whether so many come, and no more."""
        deadline = asyncio.get_running_loop().time() + 10.0
        while self.reached != expected and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # for more to come, were more let in
        return self.reached == expected


@pytest.fixture
def state(api: Api) -> State:
    return open_state(api.settings)


def test_a_caller_that_is_known_has_turns_of_its_own(api: Api, other: Api, state: State) -> None:
    async def run() -> None:
        inside = Inside()
        begin = Authentication(inside, state)

        def sent(key: str, count: int) -> list[asyncio.Task[None]]:
            return [asyncio.create_task(begin(request(key), receive, send)) for _ in range(count)]

        inside.gate.set()
        await asyncio.gather(*sent(api.api_key, 1), *sent(other.api_key, 1))  # both keys have worked
        inside.gate.clear()
        inside.reached.clear()
        tasks = sent(api.api_key, 60) + sent("evs_" + "x" * 39, 60) + sent(other.api_key, 1)
        assert await inside.settled({api.tenant_id: AT_ONCE, other.tenant_id: 1})
        inside.gate.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert inside.reached == {api.tenant_id: 60, other.tenant_id: 1}
        assert [type(answer) for answer in answers] == [type(None)] * 60 + [Problem] * 60 + [type(None)]

    asyncio.run(run())


def test_a_turn_ends_where_the_route_begins(api: Api, state: State) -> None:
    async def run() -> None:
        inside = Inside()
        begin = Authentication(RateLimit(inside, state), state)
        tasks = [asyncio.create_task(begin(request(api.api_key), receive, send)) for _ in range(3 * AT_ONCE)]
        assert await inside.settled({api.tenant_id: 3 * AT_ONCE})
        inside.gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(run())


def test_a_turn_is_given_back_once() -> None:
    async def run() -> None:
        slots = Slots("things", 1)
        async with slots.turn(NOBODY) as turn:
            turn.end()
            async with slots.turn(NOBODY):
                with pytest.raises(Problem):
                    await slots.enter(NOBODY)
        assert not slots._held

    asyncio.run(run())
