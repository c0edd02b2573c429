"""What a call is told, how its answer is had, Ctrl-C, notebooks, pipelines without packages. No server."""

import ast
import asyncio
import hashlib
import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, assert_type

import httpx
import pytest

from evoselect_client import (
    AsyncClient,
    BadInputError,
    Client,
    ConnectionFailedError,
    DamagedDownloadError,
    NotFoundError,
)
from evoselect_client.core.streamed import StreamedResponse
from evoselect_client.core.watch.progress import counter
from evoselect_client.models import Selection

ROOT = Path(__file__).parents[2]
AT = "2026-11-28T12:00:00Z"
POOL = {"id": "pool_1", "object": "pool", "version": 9, "count": 0, "created_at": AT}
JOB = {"id": "sel_1", "object": "selection", "done": False, "created_at": AT}
LINES = '{"text": "a\u2028b"}\n{"text": "c"}\n'
PIECES = 64


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that is made as it is read, and counts how much of it was."""

    def __init__(self, piece: bytes = bytes(2**16), *, cut: bool = False) -> None:
        self.read, self._piece, self._cut = 0, piece, cut

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(PIECES):
            self.read += 1
            yield self._piece
        if self._cut:
            raise httpx.ReadError("cut")

    async def __aiter__(self) -> Any:
        for piece in self:
            yield piece


def client_of(handler: Callable[[httpx.Request], httpx.Response], **options: Any) -> Client:
    return Client("http://service", "evs_x", http=httpx.MockTransport(handler), **options)


def test_nouns_and_resources_take_options_as_clients_do() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=POOL)

    client = client_of(answer, timeout=60)
    pool = client.pools.with_options(timeout=3, headers={"X-Team": "a"}).retrieve("pool_1")
    pool.with_options(timeout=7, idempotency_key="mine").update(name="b")
    client.pools.retrieve("pool_1")
    assert [request.extensions["timeout"]["read"] for request in seen] == [3, 7, 60]
    assert [request.headers.get("x-team") for request in seen] == ["a", "a", None]
    assert seen[1].headers["idempotency-key"] == "mine"
    assert pool.session.options.timeout == 3  # as it was


def test_a_streamed_answer_is_read_as_it_is_asked_for() -> None:
    body = Pieces()
    client = client_of(lambda request: httpx.Response(200, stream=body, headers={"X-Request-Id": "req_1"}))
    with client.with_streaming_response.files.content("file_1") as answer:
        assert_type(answer, StreamedResponse)
        assert (answer.status, answer.request_id, body.read) == (200, "req_1", 0)
        assert "req_1" in repr(answer)
        next(answer.iter_bytes())
        assert body.read < PIECES


def test_lines_are_cut_at_line_feeds_alone() -> None:
    client = client_of(lambda request: httpx.Response(200, stream=Pieces(LINES.encode())))
    with client.with_streaming_response.files.content("file_1") as answer:
        assert list(answer.iter_lines()) == LINES.split("\n")[:2] * PIECES

    async def lines() -> list[str]:
        http = httpx.MockTransport(lambda request: httpx.Response(200, stream=Pieces(LINES.encode())))
        async with AsyncClient("http://service", "evs_x", http=http) as other:
            async with other.with_streaming_response.files.content("file_1") as streamed:
                assert len(await streamed.read()) == PIECES * len(LINES.encode())
            async with other.with_streaming_response.files.content("file_1") as streamed:
                return [line async for line in streamed.iter_lines()]

    assert asyncio.run(lines()) == LINES.split("\n")[:2] * PIECES


def test_a_streamed_verb_is_tried_again_and_refused_as_any_other(tmp_path: Path) -> None:
    tries = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        if request.url.path.endswith("/no/content"):
            return httpx.Response(404, json={"code": "not_found"})
        if tries == 1:
            return httpx.Response(503, headers={"Retry-After": "0"})
        return httpx.Response(200, content=b"whole")

    streamed = client_of(answer).with_streaming_response
    with streamed.files.content("file_1") as found:
        assert found.save(tmp_path / "file").read_bytes() == b"whole"
    assert tries == 2
    with pytest.raises(NotFoundError), streamed.files.content("no"):
        pytest.fail("a refused verb has no block")
    cut = client_of(lambda request: httpx.Response(200, stream=Pieces(cut=True)))
    with (
        pytest.raises(ConnectionFailedError, match="not read to its end"),
        cut.with_streaming_response.files.content("file_1") as found,
    ):
        found.read()


def test_a_file_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    whole = bytes(2**16) * PIECES

    def answer(request: httpx.Request) -> httpx.Response:
        name = request.url.path.split("/")[3]
        if request.url.path.endswith("/content"):
            return httpx.Response(200, stream=Pieces(cut=name == "cut"))
        digest = "0" * 64 if name == "bad" else hashlib.sha256(whole).hexdigest()
        file = {"id": name, "object": "file", "size": len(whole), "sha256": digest, "created_at": AT}
        return httpx.Response(200, json=file)

    client = client_of(answer, max_retries=0)
    assert client.files.save("good", tmp_path / "good").read_bytes() == whole
    for name, error in (("bad", DamagedDownloadError), ("cut", ConnectionFailedError)):
        with pytest.raises(error):
            client.files.save(name, tmp_path / name)

    async def save() -> bytes:
        async with AsyncClient("http://service", "evs_x", http=httpx.MockTransport(answer)) as other:
            return (await other.files.save("good", tmp_path / "again")).read_bytes()

    assert asyncio.run(save()) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "good"]


def test_a_route_without_a_verb_is_called_by_its_path() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.method == "DELETE":
            return httpx.Response(204)
        return httpx.Response(
            503 if len(seen) == 1 else 200, json={"new": True}, headers={"Retry-After": "0"}
        )

    client = client_of(answer)
    response = client.request("post", "/v1/newer", body={"a": 1}, params={"limit": 2})
    assert (response.status, response.parsed, len(seen)) == (200, {"new": True}, 2)
    assert len({request.headers["idempotency-key"] for request in seen}) == 1
    assert str(seen[1].url) == "http://service/v1/newer?limit=2"
    assert client.request("DELETE", "/v1/newer").parsed is None
    with pytest.raises(BadInputError, match="begin with a slash"):
        client.request("GET", ".elsewhere.example/v1/pools")

    async def ask() -> Any:
        async with AsyncClient("http://service", "evs_x", http=httpx.MockTransport(answer)) as other:
            return (await other.request("GET", "/v1/newer")).parsed

    assert asyncio.run(ask()) == {"new": True}


def interrupted(cancel: bool, *, answered: int = 200) -> tuple[str, list[str]]:
    """What Ctrl-C in wait() says, and what was asked."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.method} {request.url.path}")
        if request.method == "POST":
            return httpx.Response(answered, json={**JOB, "status": "cancelling"})
        raise KeyboardInterrupt

    selection: Selection = client_of(answer).selections._decode({**JOB, "status": "running"})
    with pytest.raises(KeyboardInterrupt) as caught:
        selection.wait(cancel_on_interrupt=cancel)
    return str(caught.value), seen


def test_who_interrupts_a_wait_is_told_how_to_go_on() -> None:
    said, seen = interrupted(False)
    again = "client.selections.retrieve('sel_1').wait()"
    assert said == f"selection sel_1 goes on where its service runs; to wait again: {again}"
    assert seen == ["GET /v1/selections/sel_1/events"]


def test_an_interrupt_cancels_the_job_by_choice() -> None:
    said, seen = interrupted(True)
    assert "sel_1 was asked to stop" in said
    assert seen[-1] == "POST /v1/selections/sel_1/cancel"
    assert "could not be asked to stop" in interrupted(True, answered=409)[0]


def test_a_notebook_has_bars(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    states = iter(("running", "completed"))

    def answer(request: httpx.Request) -> httpx.Response:
        progress = {"rows_done": 5, "rows_total": 20, "phases": {}}
        return httpx.Response(200, json={**JOB, "status": next(states), "progress": progress})

    client_of(answer).selections._decode({**JOB, "status": "queued"}).wait(progress=True)
    show = counter(True, "records")
    for done in (10, 30, None):
        show(done)
    drawn = capsys.readouterr().err
    assert "selection sel_1 completed:  25%" in drawn
    assert "30 records" in drawn


PIPELINES = {
    "airflow": "airflow",
    "argilla": "argilla",
    "dagster": "dagster",
    "data_juicer": "data-juicer",
    "distilabel": "distilabel",
    "hf_datasets": "datasets",
    "hf_hub": "hub",
    "mlflow": "mlflow",
    "prefect": "prefect",
    "ray_data": "ray",
    "trl": "trl",
    "wandb": "wandb",
}


def test_the_page_of_pipelines_shows_the_examples_of_the_modules() -> None:
    page = (ROOT / "docs" / "pipelines.md").read_text()
    folder = ROOT / "clients" / "python" / "evoselect_client" / "integrations"
    for name, extra in PIPELINES.items():
        text = ast.get_docstring(ast.parse((folder / f"{name}.py").read_text())) or ""
        assert f"\n{text.partition(chr(10) * 2)[2].strip()}\n```\n" in page, name
        assert f"`{name}`, extra `{extra}`." in page


def test_a_pipeline_without_its_package_says_what_to_install() -> None:
    """In an interpreter that sees httpx and pydantic alone."""
    program = "import sys\nfrom importlib import import_module\nfor name in sys.argv[1:]:\n"
    program += "    try: import_module(f'evoselect_client.integrations.{name}')\n"
    program += "    except ImportError as error: print(error)\n"
    hidden = "for name in ('datasets', 'transformers', 'huggingface_hub'): sys.modules[name] = None\n"
    program = program.replace("\n", f"\n{hidden}", 1)
    done = subprocess.run(
        [sys.executable, "-c", program, *PIPELINES], capture_output=True, text=True, check=True, timeout=60
    )
    said = done.stdout.splitlines()
    assert len(said) == len(PIPELINES), done.stdout
    for line, extra in zip(said, PIPELINES.values(), strict=True):
        assert line.startswith(f"{extra} cannot be used here (")
        assert line.endswith(f'): pip install "evoselect-client[{extra}]"')
    folder = Path(importlib.import_module("evoselect_client.integrations").__path__[0])
    modules = {path.stem for path in folder.glob("*.py")}
    assert modules - {"__init__", "selecting", "airflow_provider"} == PIPELINES.keys()
