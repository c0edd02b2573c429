"""The client without a service of ours: where it looks for one, how it cuts, retries and reports."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from evoselect_client import (
    ApiError,
    AuthenticationError,
    Client,
    ConfigurationError,
    ConflictError,
    ConnectionFailedError,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
    RequestTooLargeError,
    ServerError,
)
from evoselect_client.core.calls import LONGEST_DELAY_SECONDS, read_retry_after, retry_delay
from evoselect_client.core.config import resolve
from evoselect_client.data.sources import as_list, parts
from evoselect_client.errors import from_problem

POOL = {"id": "pool_1", "object": "pool", "version": 0, "count": 0, "created_at": "2026-01-01T00:00:00Z"}
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No configuration of the machine leaks in."""
    for name in ("EVOSELECT_URL", "EVOSELECT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EVOSELECT_HOME", str(tmp_path))
    return tmp_path


def client_of(handler: Handler, **options: Any) -> Client:
    return Client("http://service", "evs_x", http=httpx.MockTransport(handler), **options)


def problem(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"code": "c", "detail": "d", "request_id": "r"}, headers=headers)


def save(home: Path, url: str = "http://saved", key: str = "evs_saved") -> None:
    (home / "credentials.json").write_text(json.dumps({"url": url, "api_key": key}))


def test_arguments_win_over_environment_over_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(home)
    assert resolve(None, None).base_url == "http://saved"
    monkeypatch.setenv("EVOSELECT_URL", "http://env/")
    monkeypatch.setenv("EVOSELECT_API_KEY", "evs_env")
    assert (resolve(None, None).base_url, resolve(None, None).api_key) == ("http://env", "evs_env")
    assert resolve("http://given", None).api_key == "evs_env"
    assert resolve("http://given", "evs_given").api_key == "evs_given"


def test_the_saved_key_goes_to_the_saved_address_only(home: Path) -> None:
    save(home)
    assert resolve("http://saved/", None).api_key == "evs_saved"
    with pytest.raises(ConfigurationError, match="No API key for http://elsewhere"):
        resolve("http://elsewhere", None)


def test_nothing_configured_says_what_to_do(home: Path) -> None:
    with pytest.raises(ConfigurationError, match="evoselect up"):
        resolve(None, None)
    (home / "credentials.json").write_text("{")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        resolve(None, None)


def test_the_key_is_not_in_repr(home: Path) -> None:
    save(home)
    assert "evs_saved" not in repr(resolve(None, None))


def test_parts_hold_every_line_once_and_know_its_number() -> None:
    records = [{"prompt": "x" * 1000, "n": n} for n in range(10_005)]
    cut = list(parts(iter(records), 4_000_000))
    assert len(cut) > 2
    assert all(len(b"".join(part.content)) <= 4_000_000 for part in cut)
    assert [part.first_line for part in cut[1:]] == [part.first_line + part.lines for part in cut[:-1]]
    assert [json.loads(line) for part in cut for line in b"".join(part.content).splitlines()] == records


@pytest.mark.parametrize("size", [13, 20, 1000])
def test_a_file_is_sent_as_it_is(tmp_path: Path, size: int) -> None:
    path = tmp_path / "pool.jsonl"
    path.write_bytes(b'{"a": 1}\n\n{"b": "\xc3\xa9"}')
    cut = list(parts(path, size))
    assert b"".join(piece for part in cut for piece in part.content) == path.read_bytes() + b"\n"
    assert [part.first_line for part in cut] == [1 + sum(p.lines for p in cut[:n]) for n in range(len(cut))]
    assert as_list(path) == [{"a": 1}, {"b": "é"}]
    path.write_text('{"a": 1}\n{')
    with pytest.raises(ValueError, match=r"pool\.jsonl, line 2 is not JSON"):
        as_list(str(path))
    with pytest.raises(ValueError, match="line 1 is longer than 4 bytes"):
        list(parts(path, 4))


def test_reading_is_lazy() -> None:
    taken = 0

    def records() -> Iterator[dict[str, str]]:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield {"prompt": "x" * 2**19}

    next(iter(parts(records(), 4 * 2**20)))
    assert taken < 12


@pytest.mark.parametrize(
    ("status", "code", "retry_after", "low", "high"),
    [
        (None, None, None, 0.25, 0.5),
        (503, None, None, 0.25, 0.5),
        (429, None, 3.0, 3.0, 3.0),
        (409, "idempotency_in_flight", 1.0, 1.0, 1.0),
    ],
)
def test_what_is_tried_again_and_when(
    status: int | None, code: str | None, retry_after: float | None, low: float, high: float
) -> None:
    delays = {retry_delay(0, status=status, code=code, retry_after=retry_after) for _ in range(20)}
    assert all(delay is not None and low <= delay <= high for delay in delays)


@pytest.mark.parametrize(
    ("status", "retry_after"), [(400, None), (404, 1.0), (409, 1.0), (500, None), (503, 900.0)]
)
def test_what_is_not_tried_again(status: int, retry_after: float | None) -> None:
    assert retry_delay(0, status=status, code=None, retry_after=retry_after) is None


def test_delays_grow_to_a_ceiling() -> None:
    delay = retry_delay(30, status=503, code=None, retry_after=None)
    assert delay is not None
    assert LONGEST_DELAY_SECONDS / 2 <= delay <= LONGEST_DELAY_SECONDS


def test_a_date_as_retry_after_is_ignored() -> None:
    assert read_retry_after("Wed, 21 Oct 2026 07:28:00 GMT") is None
    assert read_retry_after("2.5") == 2.5


def test_every_try_of_one_call_carries_one_key() -> None:
    keys: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            raise httpx.ReadTimeout("slow")
        return problem(503, **{"Retry-After": "0"}) if len(keys) == 2 else httpx.Response(201, json=POOL)

    with client_of(handler) as client:
        assert client.pools.create().id == "pool_1"
        client.pools.create()
    assert keys[0] == keys[1] == keys[2] != keys[3]


def test_tries_end() -> None:
    tries = 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        raise httpx.ConnectError("refused")

    with pytest.raises(ConnectionFailedError, match="in 2 tries"):
        client_of(handler, max_retries=1).pools.create()
    assert tries == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, RequestTooLargeError),
        (422, InvalidRequestError),
        (429, RateLimitedError),
        (500, ServerError),
        (503, ServerError),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[ApiError]) -> None:
    with pytest.raises(kind) as caught:
        client_of(lambda request: problem(status), max_retries=0).pools.retrieve("pool_1")
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (status, "c", "r")


def test_an_error_shows_the_first_faults() -> None:
    faults = [{"line": n, "detail": f"bad {n}"} for n in range(1, 6)]
    text = str(from_problem(422, {"detail": "5 bad", "code": "invalid_records", "errors": faults}))
    assert "line 1: bad 1" in text
    assert "and 2 more" in text


def test_an_answer_of_something_else_is_named() -> None:
    page = httpx.Response(200, text="<html>", headers={"content-type": "text/html"})
    with pytest.raises(ApiError, match="is base_url right"):
        client_of(lambda request: page).pools.retrieve("pool_1")
    with pytest.raises(ServerError, match="HTTP 502"):
        client_of(lambda request: httpx.Response(502, text="<html>"), max_retries=0).pools.retrieve("pool_1")


def test_fields_of_a_newer_service_are_kept() -> None:
    newer = httpx.Response(200, json={**POOL, "colour": "blue"})
    pool = client_of(lambda request: newer).pools.retrieve("pool_1")
    assert (pool.model_extra or {})["colour"] == "blue"


def test_importing_is_light() -> None:
    program = "import evoselect_client, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {
        "httpx",
        "pydantic",
        "torch",
        "numpy",
        "pandas",
        "pyarrow",
        "rich",
        "store",
        "evoselect",
        "service",
    }
