"""Odd ids, records, addresses and environments: one sentence, and never another route."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from evoselect_cli import exits
from evoselect_cli.main import app
from evoselect_client import (
    ApiError,
    AsyncClient,
    BadInputError,
    Client,
    ConfigurationError,
    ConnectionFailedError,
)
from evoselect_client.data.saving import check_name
from tests.clients.test_cli import evoselect
from tests.live import Api, question

CLOSED = "http://127.0.0.1:9"
ODD_IDS = ("../pools", "..", ".", "a/b", "a?b=c", "a#b", "%2e%2e", "a\\b", "\u00e9", "a b")


def recorded(paths: list[bytes]) -> httpx.MockTransport:
    """Answers nothing but 404, and remembers what was asked for."""

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path.partition(b"?")[0])
        return httpx.Response(404, json={"code": "not_found"})

    return httpx.MockTransport(answer)


def calls(client: Any, id: str) -> list[Callable[[], Any]]:
    """A verb of every noun that takes an id."""
    return [
        lambda: client.pools.retrieve(id),
        lambda: client.pools.add(id, [question(1)]),
        lambda: client.targets.retrieve(id),
        lambda: client.selections.poll(id, 1),
        lambda: client.selections.cancel(id),
        lambda: client.selections.compare("sel_1", id),
        lambda: client.selections.candidate("sel_1", id),
        lambda: client.trainings.retry(id),
        lambda: client.evaluations.compare(id, "eval_1"),
        lambda: client.loops.pause(id),
        lambda: client.models.content(id),
        lambda: client.models.save(id, "nowhere"),
        lambda: client.files.delete(id),
        lambda: client.uploads.put_part(id, 1, b"x"),
        lambda: client.uploads.cancel(id),
        lambda: client.api_keys.revoke(id),
        lambda: client.webhook_endpoints.delete(id),
        lambda: client.webhook_deliveries.redeliver(id),
    ]


@pytest.mark.parametrize("id", ODD_IDS)
def test_an_id_is_one_segment_of_the_path(id: str) -> None:
    paths: list[bytes] = []
    with Client("http://service", "evs_1", http=recorded(paths), max_retries=0) as client:
        plain: list[bytes] = []
        with Client("http://service", "evs_1", http=recorded(plain), max_retries=0) as other:
            for odd, usual in zip(calls(client, id), calls(other, "ID"), strict=True):
                for call in (odd, usual):
                    with pytest.raises(ApiError):
                        call()
    assert len(paths) == len(plain)
    for odd_path, usual_path in zip(paths, plain, strict=True):
        before, _, after = usual_path.partition(b"ID")
        assert odd_path.startswith(before), (odd_path, usual_path)
        inside = odd_path[len(before) : len(odd_path) - len(after)]
        assert odd_path.endswith(after)
        assert not set(b"/?#\\ ") & set(inside), odd_path
        assert inside.strip(b"."), odd_path


@pytest.mark.parametrize("id", ["", None, 7, "\ud800"])
def test_what_is_no_id_is_not_sent(id: Any) -> None:
    paths: list[bytes] = []
    with Client("http://service", "evs_1", http=recorded(paths)) as client, pytest.raises(BadInputError):
        client.pools.retrieve(id)
    assert paths == []


def test_ids_are_quoted_by_the_asynchronous_client_too() -> None:
    paths: list[bytes] = []

    async def use() -> None:
        async with AsyncClient("http://service", "evs_1", http=recorded(paths), max_retries=0) as client:
            with pytest.raises(ApiError):
                await client.targets.retrieve("../pools")
            with pytest.raises(BadInputError):
                await client.targets.retrieve("")

    asyncio.run(use())
    assert paths == [b"/v1/targets/..%2Fpools"]


def test_the_service_finds_nothing_under_such_ids(api: Api) -> None:
    with Client(api.url, api.api_key) as client:
        for id in ODD_IDS:
            with pytest.raises(ApiError) as caught:
                client.targets.retrieve(id)
            assert caught.value.status == 404, id
            assert caught.value.code in ("not_found", "no_such_route"), id  # as a slash stays one in a path


@pytest.mark.parametrize("record", [{"prompt": "\ud800"}, {"n": float("nan")}, {"n": {1, 2}}, {"n": b"x"}])
def test_a_record_that_is_no_json_is_named(record: dict[str, Any]) -> None:
    with Client("http://service", "evs_1", http=recorded([])) as client:
        with pytest.raises(BadInputError, match="record 2 cannot be sent"):
            client.pools.add("pool_1", [question(1), record])
        with pytest.raises(BadInputError, match="cannot be sent"):
            client.targets.create([record])


def test_an_answer_of_something_else_is_an_error_of_ours() -> None:
    other = httpx.MockTransport(lambda request: httpx.Response(200, json=["hello"]))
    with (
        Client("http://service", "evs_1", http=other) as client,
        pytest.raises(ApiError, match="other fields"),
    ):
        client.pools.retrieve("pool_1")
    broken = httpx.MockTransport(
        lambda request: httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=b"no gzip")
    )
    client = Client("http://service", "evs_1", http=broken, max_retries=0)
    with client, pytest.raises(ConnectionFailedError):
        client.pools.retrieve("pool_1")


@pytest.fixture
def local() -> Iterator[str]:
    """A service on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"path": self.path}).encode()
            self.send_response(404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("proxy", [CLOSED, "socks5://127.0.0.1:9", "nonsense"])
def test_a_service_on_this_machine_is_asked_directly(
    local: str, name: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, proxy)
    for url in (local, local.replace("127.0.0.1", "localhost")):
        with Client(url, "evs_1", max_retries=0) as client, pytest.raises(ApiError, match="HTTP 404"):
            client.pools.retrieve("pool_1")


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"ALL_PROXY": "socks5://127.0.0.1:9"}, "http://service.example"),
        ({"HTTPS_PROXY": "nonsense://x"}, "https://service.example"),
        ({"SSL_CERT_FILE": "/no/such/file.pem"}, "https://service.example"),
        ({"SSL_CERT_FILE": __file__}, "https://127.0.0.1:9"),
        ({}, "http://[::1"),
    ],
)
def test_a_broken_environment_is_one_sentence(
    variables: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=r"^No connection to [^\n]+$"):
        Client(url, "evs_1")
    with pytest.raises(ConfigurationError, match="check the address, the key"):
        AsyncClient(url, "evs_1")


def test_the_command_says_it_in_one_sentence_too(tmp_path: Path) -> None:
    variables = {
        "ALL_PROXY": "socks5://127.0.0.1:9",
        "EVOSELECT_URL": "http://a.example",
        "EVOSELECT_API_KEY": "e",
    }
    done = evoselect("items", "sel_1", home=tmp_path, variables=variables)
    assert done.returncode == exits.NO_SERVICE
    assert "ALL_PROXY" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY", "https_proxy"])
def test_a_service_on_this_machine_is_asked_directly_with_tls_too(
    local: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It speaks plain http, which a client that reaches it finds out; a proxy would not have been there."""
    monkeypatch.setenv(name, CLOSED)
    with (
        Client(local.replace("http:", "https:"), "evs_1", max_retries=0) as client,
        pytest.raises(ConnectionFailedError, match="SSL"),
    ):
        client.pools.retrieve("pool_1")


@pytest.mark.parametrize(
    ("url", "variables"),
    [
        ("http://[::1", {}),
        ("https://127.0.0.1:9", {"SSL_CERT_FILE": "/no/such/file.pem"}),
        ("http://service.example", {"ALL_PROXY": "socks5://127.0.0.1:9"}),
    ],
)
def test_a_status_that_cannot_be_asked_for_is_that_of_no_service(
    tmp_path: Path, url: str, variables: dict[str, str]
) -> None:
    done = status(tmp_path, {**variables, "EVOSELECT_URL": url})
    assert done.exit_code == exits.NO_SERVICE, done.output
    assert json.loads(done.stdout)["ready"] is False


def test_the_status_of_a_service_on_this_machine_is_asked_past_a_proxy(api: Api, tmp_path: Path) -> None:
    done = status(tmp_path, {"EVOSELECT_URL": api.url, "HTTP_PROXY": CLOSED})
    assert (done.exit_code, json.loads(done.stdout)["ready"]) == (0, True), done.output


def status(home: Path, variables: dict[str, str]) -> Result:
    return CliRunner().invoke(app, ["status", "--json"], env={**variables, "EVOSELECT_HOME": str(home)})


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("target.csv", "prompt,completion\na\n", "The row has 1 cells for 2 names"),
        ("target.txt", "prompt and completion\n", "line 1: The line is not JSON: unexpected character"),
        (
            "target.jsonl",
            '{"prompt": "a", "completion": "b"}\n{"prompt": \n',
            "line 2 is not JSON",
        ),
        ("target.json", "[" * 100_000, "begins as a JSON list and is none"),
    ],
)
def test_a_target_that_is_no_json_is_named_by_line_and_reason(
    api: Api, tmp_path: Path, name: str, text: str, said: str
) -> None:
    target, pool = tmp_path / name, tmp_path / "pool.jsonl"
    target.write_text(text)
    pool.write_text(json.dumps(question(1)) + "\n")
    done = evoselect(
        "select", "--target", str(target), "--pool", str(pool), "-k", "1", "--no-wait", home=tmp_path, api=api
    )
    assert done.returncode == exits.REFUSED, done.stderr
    assert said in done.stderr.replace("\n", " ").replace("  ", " ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none/out.jsonl", "there is no folder none"),
        (".", "is a folder"),
        ("picked.csv", "rows are written as JSON Lines or Parquet"),
        ("picked.jsonl.gz", "rows are written as JSON Lines or Parquet"),
    ],
)
@pytest.mark.parametrize("command", ["items", "select", "compare-methods"])
def test_where_rows_cannot_be_written_is_told_before_anything_is_asked(
    command: str, name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text(json.dumps(question(1)))
    given = ["sel_1"] if command == "items" else ["--target", "rows.jsonl", "--pool", "rows.jsonl", "-k", "1"]
    given += ["--held-out", "0.5"] if command == "compare-methods" else []
    variables = {"EVOSELECT_URL": CLOSED, "EVOSELECT_API_KEY": "evs_x", "COLUMNS": "200"}
    done = CliRunner().invoke(app, [command, *given, "--out", name], env=variables)
    assert done.exit_code == exits.USAGE, done.output
    assert said in done.output
    assert "Traceback" not in done.output


def test_rows_go_into_no_file_whose_name_says_another_format() -> None:
    with pytest.raises(BadInputError, match=r"picked\.csv: rows are written as JSON Lines or Parquet"):
        check_name(Path("picked.csv"))
    check_name(Path("picked.jsonl"))
    check_name(Path("picked.parquet"))


def test_a_file_without_records_is_named(api: Api, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    with Client(api.url, api.api_key) as client:
        pool = client.pools.create()
        for call in (lambda: pool.add(empty), lambda: client.targets.create(empty)):
            with pytest.raises(BadInputError, match=r"empty\.jsonl holds no records"):
                call()
        assert pool.add(iter(())).version is None  # nothing to send is no mistake of a pipeline


NUMBER = r"record 2 cannot be sent as JSON: it holds NaN or infinity"


def test_a_record_that_json_cannot_say_is_named(api: Api, tmp_path: Path) -> None:
    bad = [question(1), {**question(2), "metadata": {"x": float("nan")}}]
    lone = [question(1), question(2, note="\ud800")]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in bad))
    with Client(api.url, api.api_key) as client:
        for send in (client.targets.create, client.pools.create().add):
            with pytest.raises(BadInputError, match=NUMBER):
                send(bad)
            with pytest.raises(BadInputError, match=r"record 2 cannot be sent as JSON: .*surrogates"):
                send(lone)
        with pytest.raises(BadInputError, match=r"rows\.jsonl, line 2 cannot be sent as JSON: it holds NaN"):
            client.targets.create(path)
        with pytest.raises(ApiError, match="line 2: The line holds NaN at character"):
            client.pools.create().add(path)


def test_a_file_that_cannot_be_written_is_one_sentence(api: Api, tmp_path: Path) -> None:
    nowhere = tmp_path / "none" / "out.jsonl"
    from tests.service.jobs.test_results import selection

    job = selection(api, [1])
    done = evoselect("items", job["id"], "--out", str(nowhere), home=tmp_path, api=api)
    assert done.returncode == exits.USAGE
    assert "there is no folder" in done.stderr
    assert "Traceback" not in done.stderr
