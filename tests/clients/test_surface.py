"""What users see of the client: signatures, options, raw answers, pages, errors, its log. No server."""

import asyncio
import inspect
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, assert_type, get_origin

import httpx
import pytest
from typing_extensions import get_type_hints

import evoselect_client
from evoselect_client import (
    AsyncClient,
    AuthenticationError,
    BadInputError,
    Client,
    PermissionDeniedError,
    RateLimitedError,
    models,
)
from evoselect_client.client import Nouned
from evoselect_client.core import results
from evoselect_client.core.listed import Listed
from evoselect_client.core.nouns import Nouns
from evoselect_client.core.results import SelectionResult
from evoselect_client.core.steps import Listing, Raw, Same, Sync, Verb
from evoselect_client.models import Item, Pool, Response, Selection

INTERNAL = re.compile(r"\b(Steps|Values|BoundT|JobT|Mode)\b|: '")
Handler = Callable[[httpx.Request], httpx.Response]
AT = "2026-11-28T12:00:00Z"


def pool(number: int) -> dict[str, Any]:
    return {"id": f"pool_{number}", "object": "pool", "version": 9, "count": 0, "created_at": AT}


def client_of(handler: Handler, **options: Any) -> Client:
    return Client("http://service", "evs_x", http=httpx.MockTransport(handler), **options)


def listing(request: httpx.Request) -> httpx.Response:
    """Pools 5 to 1, newest first."""
    after, limit = request.url.params.get("after"), int(request.url.params["limit"])
    left = [n for n in (5, 4, 3, 2, 1) if after is None or n < int(after.removeprefix("pool_"))]
    rows = [pool(n) for n in left[:limit]]
    return httpx.Response(200, json={"object": "list", "data": rows, "has_more": len(left) > limit})


def nouns(client: Client) -> Iterator[Nouns[Any, Any]]:
    for name in dir(Nouned):
        if isinstance(found := getattr(client, name), Nouns):
            yield found


def test_every_verb_shows_its_parameters_and_its_result_and_nothing_else_is_public() -> None:
    assert evoselect_client.__version__
    shown = {}
    for noun in nouns(client_of(listing)):
        for name in (one for one in dir(noun) if not one.startswith("_")):
            verb = getattr(noun, name)
            if name in ("model", "path", "session", "with_options", "with_raw_response"):
                continue
            signature = str(inspect.signature(verb))
            shown[f"{noun.path}.{name}"] = signature
            assert inspect.getdoc(verb), (noun.path, name)
            assert "self" not in inspect.signature(verb).parameters
            assert not INTERNAL.search(signature), signature
    assert shown["/v1/pools.retrieve"] == "(id: str) -> Pool"
    assert shown["/v1/selections.items"].endswith("-> Listed[Item]")
    assert len(shown) > 60
    of_class = type(client_of(listing).pools).add  # type: ignore[call-overload]  # as help() reads it
    assert "on_invalid" in str(inspect.signature(of_class))


def test_the_sample_for_type_checkers_calls_every_verb() -> None:
    sample = (Path(__file__).parent / "typed_sample.py").read_text()
    called = set(re.findall(r"\bclient\.(\w+\.\w+)\(", sample)) | {
        f"{noun}.{verb}"
        for noun in ("trainings", "evaluations", "loops", "comparisons", "indexings")
        for verb in re.findall(r"\bnoun\.(\w+)\(", sample)
    }
    for noun in nouns(client_of(listing)):
        name = noun.path.rpartition("/")[2]
        verbs = {verb for verb in dir(noun) if hasattr(getattr(noun, verb), "steps")}
        assert {f"{name}.{verb}" for verb in verbs} - called == set()
    of_resources = {
        name
        for kind in vars(models).values()
        if isinstance(kind, type) and issubclass(kind, models.Bound)
        for base in kind.__mro__
        for name, value in vars(base).items()
        if isinstance(value, (Verb, Same, Listing))
    }
    assert of_resources - set(re.findall(r"\.(\w+)\(", sample)) == set()


def test_results_have_the_members_that_the_service_always_sends() -> None:
    """A type checker lets through what is always there, and asks for .get() for what is not."""
    document = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
    schemas, checked = document["components"]["schemas"], 0
    for name, kind in vars(results).items():
        if name in schemas and hasattr(kind, "__total__"):
            hints = get_type_hints(kind, include_extras=True)
            optional = {key for key, hint in hints.items() if str(get_origin(hint)).endswith("NotRequired")}
            assert hints.keys() - optional == set(schemas[name]["required"]) & hints.keys(), name
            checked += 1
    assert checked >= 6


def test_a_listing_is_values_or_pages_from_where_one_likes() -> None:
    client = client_of(listing)
    assert [one.id[-1] for one in client.pools.list(page_size=2)] == ["5", "4", "3", "2", "1"]
    pages = list(client.pools.list(page_size=2).pages())
    assert [(len(page.data), page.has_next_page) for page in pages] == [(2, True), (2, True), (1, False)]
    assert [one.id for one in client.pools.list(after=pages[1].after)] == ["pool_1"]


def test_a_listing_of_the_other_client_has_pages_too() -> None:
    async def use() -> list[int]:
        async with AsyncClient("http://service", "evs_x", http=httpx.MockTransport(listing)) as client:
            assert [one.id async for one in client.pools.list(page_size=3)][-1] == "pool_1"
            return [len(page.data) async for page in client.pools.list(page_size=3).pages()]

    assert asyncio.run(use()) == [3, 2]


def test_options_are_of_the_calls_that_are_made_through_them() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json=pool(1))

    client = client_of(answer)
    client.pools.create()
    other = client.with_options(timeout=3, headers={"X-Team": "a"}, idempotency_key="mine")
    made = other.pools.create(name="b")
    client.pools.create()
    first, changed, last = seen
    assert (changed.headers["x-team"], changed.headers["idempotency-key"]) == ("a", "mine")
    assert changed.extensions["timeout"]["read"] == 3
    assert changed.headers["authorization"] == "Bearer evs_x"
    assert "x-team" not in last.headers
    assert first.headers["idempotency-key"] != last.headers["idempotency-key"]
    assert made.session is other.session


def test_a_raw_response_has_the_answer_beside_its_value() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=pool(1), headers={"X-Request-Id": "req_1", "ETag": "x"})

    response = client_of(answer).with_raw_response.pools.retrieve("pool_1")
    assert (response.status, response.request_id, response.headers["etag"]) == (200, "req_1", "x")
    assert response.parsed.id == response.json()["id"] == "pool_1"
    assert "req_1" in repr(response)

    async def use() -> int:
        async with AsyncClient("http://service", "evs_x", http=httpx.MockTransport(answer)) as client:
            return (await client.with_raw_response.pools.retrieve("pool_1")).status

    assert asyncio.run(use()) == 200


def test_each_noun_has_raw_responses_of_its_own() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=pool(1), headers={"X-Request-Id": "req_1"})

    client = client_of(answer)
    response = assert_type(client.pools.with_raw_response.retrieve("pool_1"), Response[Pool[Raw]])
    assert (response.request_id, response.parsed.name) == ("req_1", None)
    every: list[Any] = [*nouns(client)]
    assert {type(noun.with_raw_response) for noun in every} == {type(noun) for noun in every}
    assert client.pools.retrieve("pool_1").id == "pool_1"  # as before

    async def use() -> int:
        async with AsyncClient("http://service", "evs_x", http=httpx.MockTransport(answer)) as client:
            return (await client.pools.with_raw_response.retrieve("pool_1")).status

    assert asyncio.run(use()) == 200


def test_an_update_says_what_changes_and_nothing_else() -> None:
    seen: list[tuple[str, str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.method, request.url.path, json.loads(request.content or b"null")))
        assert request.method == "GET" or request.headers["idempotency-key"]
        return httpx.Response(200, json={**pool(1), "name": "b"})

    client = client_of(answer)
    found = client.pools.retrieve("pool_1")
    assert assert_type(found.update(name="b"), Pool[Sync]).name == "b"
    client.pools.update("pool_1", name="", metadata={"team": "a"})
    with pytest.raises(BadInputError, match="changes nothing"):
        client.pools.update("pool_1")
    path = "/v1/pools/pool_1"
    assert seen == [
        ("GET", path, None),
        ("PATCH", path, {"name": "b"}),
        ("PATCH", path, {"name": None, "metadata": {"team": "a"}}),
    ]


def test_an_http_client_of_the_users_is_used_and_left_open() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, json=pool(1))

    http = httpx.Client(transport=httpx.MockTransport(answer), headers={"X-Proxy": "own"})
    with Client("http://service/below", "evs_x", http_client=http) as client:
        client.pools.retrieve("../pools")
    assert seen == ["http://service/below/v1/pools/..%2Fpools"]
    assert not http.is_closed


def test_errors_have_the_answer_and_tell_a_wrong_key_from_a_small_one() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        status = int(request.url.path.rpartition("/")[2])
        return httpx.Response(status, json={"code": "x"}, headers={"Retry-After": "7", "X-Request-Id": "r"})

    client = client_of(answer, max_retries=0)
    for status, kind in ((401, AuthenticationError), (403, PermissionDeniedError), (429, RateLimitedError)):
        with pytest.raises(kind) as caught:
            client.pools.retrieve(str(status))
        assert type(caught.value) is kind
        assert caught.value.retry_after == 7
        assert caught.value.response.headers["x-request-id"] == "r"


def test_events_are_followed_to_the_end_over_cuts_and_silence() -> None:
    names, tries = ["job.queued", "job.running", "job.completed"], 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        if tries == 2:
            raise httpx.ReadError("cut")
        after = int(request.url.params["after"])
        texts = [
            f"event: {name}\nid: {n}\ndata: {json.dumps({'sequence': n, 'type': name, 'created_at': AT})}\n\n"
            for n, name in enumerate(names, 1)
            if n > after
        ]
        stream = ": ping\n\n" + "".join(texts)
        return httpx.Response(200, text=stream, headers={"Content-Type": "text/event-stream"})

    client = client_of(answer)
    assert [event.type for event in client.selections.events("sel_1", follow=True)] == names
    assert tries == 4


def test_items_say_why_and_are_short_to_look_at() -> None:
    row = {
        "rank": 1,
        "id": "<b>",
        "content_hash": "h",
        "weight": 1.0,
        "score": 0.51234,
        "targets": [{"id": "t1", "cosine": 0.9, "mass": 0.5}],
        "why": "serves t1",
        "record": {"prompt": "2 + 2?", "completion": "4"},
    }
    item = Item.model_validate(row)
    assert item.targets[0].cosine == 0.9
    assert repr(item) == "<Item 1 '<b>', score 0.5123>"
    assert "&lt;b&gt;" in item._repr_html_()
    assert "<b>" not in item._repr_html_()


def test_the_log_tells_of_requests_and_never_of_keys(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EVOSELECT_LOG", "debug")
    log = logging.getLogger("evoselect_client")
    client = client_of(listing)
    try:
        caplog.set_level(logging.DEBUG, "evoselect_client")
        list(client.pools.list())
        assert "GET /v1/pools took" in caplog.text
        assert "evs_x" not in caplog.text
        assert len(log.handlers) == 1
    finally:
        log.handlers.clear()
        log.setLevel(logging.NOTSET)


def types(client: Client) -> None:
    """Never run: `make check` fails where a verb's type is not the one that users see."""
    assert_type(client.pools.list(), Listed[Pool[Sync]])
    assert_type(client.with_options(timeout=1), Client)
    assert_type(client.selections.create(k=1, spec={"lambda": "auto"}).output(), SelectionResult)
    assert_type(client.with_raw_response.targets.delete("t"), Response[None])
    parsed = client.with_raw_response.selections.create(k=1).parsed
    assert_type(parsed.cancel().id, str)
    plain: list[Item] = list(parsed.items())
    selection: Selection = client.selections.retrieve(plain[0].id)
    assert_type(selection.name, str | None)


def test_what_was_selected_goes_into_tables_and_files(tmp_path: Path) -> None:
    job = {"id": "sel_1", "object": "selection", "status": "completed", "done": True, "created_at": AT}
    job |= {"progress": {"phases": {}}, "result": {"diagnostics": {"transport": 0.25}, "newer": 1}}
    records = [{"prompt": f"{n}", "completion": "x", "score": "of the record"} for n in (1, 2, 3)]
    items = [
        {"rank": n, "id": f"c{n}", "content_hash": "h", "weight": 1 / 3, "score": -n, "record": record}
        for n, record in enumerate(records, 1)
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/sel_1"):
            return httpx.Response(200, json=job)
        if request.url.path.endswith("/rejected"):
            return httpx.Response(200, text='{"id":"c9","reason":"too_long"}\n')
        if "parquet" in request.headers["accept"]:
            return httpx.Response(200, content=b"PAR1")
        after, limit = (int(request.url.params.get(name, 0)) for name in ("after", "limit"))
        rows = items[after : after + limit]
        if request.url.params.get("format") == "original":
            return httpx.Response(200, text="".join(json.dumps(row["record"]) + "\n" for row in rows))
        return httpx.Response(200, json={"data": rows, "has_more": after + limit < len(items)})

    selection = client_of(answer).selections.retrieve("sel_1")
    assert selection.output()["diagnostics"]["transport"] == 0.25
    assert repr(selection) == "<selection sel_1 completed>"
    assert "<caption>selection sel_1</caption>" in selection._repr_html_()
    frame = selection.to_pandas()
    assert frame.index.tolist() == [1, 2, 3]
    assert frame["score"].tolist() == [-1, -2, -3]
    assert frame["prompt"].tolist() == ["1", "2", "3"]
    lines = selection.to_jsonl(tmp_path / "picked.txt").read_text().splitlines()
    assert [json.loads(line) for line in lines] == records
    assert selection.to_parquet(tmp_path / "picked.bin").read_bytes() == b"PAR1"
    assert [row.reason for row in selection.rejected()] == ["too_long"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["picked.bin", "picked.txt"]
