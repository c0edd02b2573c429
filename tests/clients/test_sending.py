"""What arrives of an upload, byte by byte, at a server that keeps what it gets, from both clients."""

import asyncio
import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from evoselect_client import AsyncClient, Client

POOL = {"id": "pool_1", "version": 0, "count": 0, "created_at": "2026-01-01T00:00:00Z"}
COUNTS = {"received": 1, "accepted": 1, "rejected": 0, "duplicates": 0}
PART = 700_000  # bytes: more than one piece of a body
LINES = b"".join(b'{"prompt": "%d \xc3\xa9", "completion": "%s"}\n' % (n, b"x" * 900) for n in range(3_000))
GROWTH = """
import asyncio, re, sys
from evoselect_client import AsyncClient, Client
url, path, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
peak = lambda: int(re.search("VmHWM:[^0-9]*([0-9]+)", open("/proc/self/status").read())[1]) * 1024
async def send():
    async with AsyncClient(url, "evs_x") as client:
        await client.pools.add("pool_1", path[:-1], part_bytes=size)
        before = peak()
        await client.pools.add("pool_1", path, part_bytes=size)
        print(peak() - before)
with Client(url, "evs_x") as client:
    client.pools.add("pool_1", path[:-1], part_bytes=size)
    before = peak()
    client.pools.add("pool_1", path, part_bytes=size)
    print(peak() - before)
asyncio.run(send())
"""


class Keeping(ThreadingHTTPServer):
    """Keeps the bodies of batches by client_batch_id; cuts the connection within the next `cuts` of them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Keeper)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.bodies: dict[str, bytes] = {}
        self.cuts = 0


class Keeper(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Keeping

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        if self.server.cuts:
            self.server.cuts -= 1
            self.rfile.read(size // 2)
            self.close_connection = True
            return
        body = self.rfile.read(size)
        query = parse_qs(urlsplit(self.path).query)
        name = query.get("client_batch_id", [""])[0]
        self.server.bodies[name] = body
        batch = {"id": f"bat_{len(self.server.bodies)}", "pool_id": "pool_1", "version": 1, "counts": COUNTS}
        self._answer(batch if name else POOL)

    def _answer(self, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def keeping() -> Iterator[Keeping]:
    with Keeping() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def send_async(url: str, records: Any) -> None:
    async with AsyncClient(url, "evs_x") as client:
        await client.pools.add("pool_1", records, part_bytes=PART)


@pytest.mark.parametrize("end", [b"\n", b""], ids=["ended", "open"])
@pytest.mark.parametrize("kind", ["path", "bytes", "text", "records", "path, awaited", "text, awaited"])
def test_every_source_arrives_as_the_file_is(keeping: Keeping, tmp_path: Path, kind: str, end: bytes) -> None:
    content = LINES[:-1] + end
    path = tmp_path / "pool.jsonl"
    path.write_bytes(content)
    records: Any = {
        "path": path,
        "bytes": io.BytesIO(content),
        "text": io.StringIO(content.decode()),
        "records": map(json.loads, content.splitlines()),
    }[kind.split(",")[0]]
    if "awaited" in kind:
        asyncio.run(send_async(keeping.url, records))
    else:
        with Client(keeping.url, "evs_x") as client:
            client.pools.add("pool_1", records, part_bytes=PART)
    assert b"".join(keeping.bodies.values()) == LINES
    assert len(keeping.bodies) >= len(LINES) // PART
    for number, (name, body) in enumerate(keeping.bodies.items()):
        assert name.split("-")[1:] == [str(number), sha256(body).hexdigest()[:16]]


def test_a_cut_part_is_sent_again_from_its_start(keeping: Keeping) -> None:
    keeping.cuts = 2
    with Client(keeping.url, "evs_x") as client:
        client.pools.add("pool_1", io.BytesIO(LINES), part_bytes=PART)
    assert b"".join(keeping.bodies.values()) == LINES


def test_a_source_that_fails_says_so_and_what_was_sent_stays(keeping: Keeping) -> None:
    def failing() -> Iterator[dict[str, str]]:
        yield from map(json.loads, LINES.splitlines())
        raise LookupError("the generator's own")

    with Client(keeping.url, "evs_x") as client:
        with pytest.raises(LookupError, match="the generator's own"):
            client.pools.add("pool_1", failing(), part_bytes=PART)
        sent = b"".join(keeping.bodies.values())
        assert sent
        assert LINES.startswith(sent)
        assert client.pools.add("pool_1", [{"prompt": "a", "completion": "b"}]).batch_ids
        with pytest.raises(ValueError, match="part_bytes is 0"):
            client.pools.add("pool_1", [], part_bytes=0)


def test_one_part_is_in_memory_at_a_time(keeping: Keeping, tmp_path: Path) -> None:
    """Peak of a process that sends ten parts, with either client."""
    (tmp_path / "pool").write_bytes(LINES)
    (tmp_path / "pool2").write_bytes(LINES * 30)
    size = 8 * 2**20
    command = [sys.executable, "-c", GROWTH, keeping.url, str(tmp_path / "pool2"), str(size)]
    growths = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100).stdout
    assert [int(growth) < 1.5 * size for growth in growths.split()] == [True, True], growths
