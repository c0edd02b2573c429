"""Candidates of a real generator on loopback, kept as the requests and answers that they came from.

A file has a line for each request: {"request": the body with its prompt and seed, "answer": the text}. With
the file the same candidates are made without the model.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from evoselect.spec.loop import OpenAIGenerator, Stop
from store.kit.egress import Egress
from store.loops.plan import Spent
from store.records.record import Record, parse_record, to_json
from workers.generators.chat import Chat, Completion
from workers.generators.completions import judge, objects
from workers.generators.openai import Generation, State

Json = dict[str, Any]

LOOPBACK = "127.0.0.0/8"
SECONDS = 600.0  # of one answer: a model of half a billion parameters on one core
MODEL = "generator"
KEPT = Path(__file__).parent / "kept"  # of the small setting, so that all work on the same


@contextmanager
def served(model: Path, folder: Path) -> Iterator[str]:
    """Base URL of an OpenAI-compatible server over the model in a local folder."""
    listing = folder / "generators.json"
    listing.write_text(json.dumps({MODEL: {"kind": "folder", "location": str(model.resolve())}}))
    environment = {**os.environ, "EVOSELECT_MODELS": str(listing), "SERVED_MODEL": MODEL}
    command = [sys.executable, "-m", "tests.workers.chat_server"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            url = server.stdout.readline().strip()
            if not url:
                raise RuntimeError(f"no model could be served from {model}; its messages stand above")
            yield url
        finally:
            server.stdin.close()
            try:
                server.wait(30.0)
            except subprocess.TimeoutExpired:
                server.kill()


class _Recorded(Chat):
    """Writes down each request with its answer."""

    def __init__(self, url: str, path: Path) -> None:
        way = Egress(allowed=[ip_network(LOOPBACK)])
        super().__init__(url, None, way, seconds=SECONDS, per_minute=None)
        self._path = path

    def ask(self, body: Mapping[str, object]) -> tuple[Completion, int]:
        answer, tries = super().ask(body)
        with self._path.open("a") as file:
            file.write(json.dumps({"request": body, "answer": answer.text}) + "\n")
        return answer, tries


def generate(url: str, target: Sequence[Json], size: int, *, seed: int, path: Path) -> None:
    """Ask until there are `size` different candidates, or the generator has no more to give."""
    generator = OpenAIGenerator(
        kind="openai", url=url, model=MODEL, size=size, concurrency=1, max_tokens=400, seconds=SECONDS
    )
    seeds = [parse_record(record) for record in target]
    known = {record.content_hash for record in seeds}
    chat = _Recorded(url, path)
    try:
        generation = Generation(generator, seeds, known, seed, State(), Stop(), Spent())
        generation.run(chat, lambda done: None, lambda state: None)
    finally:
        chat.close()


def kept(path: Path, target: Sequence[Json]) -> list[Json]:
    """The candidates of a file, in order, each content once and none of the target's."""
    seeds = [parse_record(record) for record in target]
    found: dict[str, Record | None] = {record.content_hash: None for record in seeds}
    for line in path.read_text().splitlines():
        for value in objects(json.loads(line)["answer"]):
            record = judge(value, seeds)
            if not isinstance(record, str):
                found.setdefault(record.content_hash, record)
    return [to_json(record) for record in found.values() if record is not None]
