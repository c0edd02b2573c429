"""What attacks share: where the API is, the attacker's key, when it is over, and ways to send."""

import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

READY = "ready"  # what the process of an attack says before it begins
ANSWER_SECONDS = 30.0  # that an attacker waits
CONNECTIONS = httpx.Limits(max_connections=1000, max_keepalive_connections=100)


@dataclass
class Stage:
    """One attack's surroundings."""

    url: str
    key: str
    deadline: float
    """By the monotonic clock."""
    answers: Counter[str] = field(default_factory=Counter)
    """By status, or by the name of what went wrong."""
    client: httpx.Client = field(
        default_factory=lambda: httpx.Client(timeout=ANSWER_SECONDS, limits=CONNECTIONS)
    )

    @property
    def over(self) -> bool:
        """Whether to stop."""
        return time.monotonic() > self.deadline

    @property
    def place(self) -> tuple[str, int]:
        """Where to connect to."""
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def send(self, method: str, path: str, *, key: bool = True, **options: Any) -> httpx.Response | None:
        """One request, counted; None where no answer came."""
        headers = {**({"Authorization": f"Bearer {self.key}"} if key else {}), **options.pop("headers", {})}
        try:
            answer = self.client.request(method, f"{self.url}{path}", headers=headers, **options)
        except httpx.HTTPError as error:
            self.answers[type(error).__name__] += 1
            return None
        self.answers[str(answer.status_code)] += 1
        return answer

    def made(self, path: str, body: Any) -> str:
        """The id of a resource that the attack needs."""
        answer = self.send("POST", path, json=body)
        if answer is None or not answer.is_success:
            raise RuntimeError(f"{path} was answered {answer and answer.text}")
        return str(answer.json()["id"])

    def at_once(self, count: int, act: Callable[[int], object]) -> None:
        """So many threads, each acts once."""
        with ThreadPoolExecutor(count) as threads:
            list(threads.map(act, range(count)))

    def connect(self, *pieces: bytes, answer: bool = False) -> socket.socket | None:
        """A connection over which the pieces were sent; None where the server ended it."""
        connection = socket.create_connection(self.place, timeout=ANSWER_SECONDS)
        try:
            for piece in pieces:
                connection.sendall(piece)
            if answer:
                self.answers[connection.recv(4096).split(b" ")[1].decode()] += 1
        except (OSError, IndexError):
            self.answers["closed"] += 1
            connection.close()
            return None
        return connection


Attack = Callable[[Stage], Counter[str]]


def repeated(act: Callable[[Stage], object], *, pause: float = 0.5) -> Attack:
    """An attack that acts again and again."""

    def attack(stage: Stage) -> Counter[str]:
        while not stage.over:
            act(stage)
            time.sleep(pause)
        return stage.answers

    return attack


def close_all(connections: Sequence[socket.socket | None]) -> None:
    """Let go of them."""
    for connection in connections:
        if connection is not None:
            connection.close()
