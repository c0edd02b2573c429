"""What requests may say: every field has limits, odd values are refused, and no body holds up the others."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service import write_openapi
from service.app import create_app
from tests.live import Api, Json, question

LOOP_SECONDS = 0.05  # of the event loop's processor time for one request
HUGE = "1" + "0" * 30
SELECTION: Json = {"target": [question(9)], "candidates": [question(1), question(2)], "k": 1}
LOOP: Json = {"target_id": "tgt_a", "generator": {"kind": "push"}, "k": 1}
TRAINING: Json = {"selection_id": "sel_a"}
EVALUATION: Json = {"model": "smollm2-135m-instruct", "target_id": "tgt_a"}
NUL, HALF = "a\0b", "a\ud800b"


def unbounded(schema: Json, where: str, parts: Json, above: tuple[str, ...] = ()) -> Iterator[str]:
    """Places of a schema that take numbers, texts, lists or objects without an end."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in above:
            yield from unbounded(parts[name], name, parts, (*above, name))
        return
    choices = [one for key in ("anyOf", "oneOf", "allOf") for one in schema.get(key, ())]
    for one in choices:
        yield from unbounded(one, where, parts, above)
    if choices or "enum" in schema or "const" in schema:
        return
    kinds = set(schema["type"] if isinstance(schema.get("type"), list) else [schema.get("type", "anything")])
    low, high = {"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}
    if kinds & {"integer", "number"} and not (low & schema.keys() and high & schema.keys()):
        yield where
    most: Any = schema.get("maximum", schema.get("exclusiveMaximum", 0))
    if "integer" in kinds and most > 2**31 - 1 and "?" not in where:
        yield where
    if schema.get("format") == "date-time":  # read as a moment, or refused
        return
    ends = {"string": "maxLength", "array": "maxItems", "anything": "never"}
    if any(kind in kinds and end not in schema for kind, end in ends.items()):
        yield where
    if "array" in kinds:
        yield from unbounded(schema["items"], f"{where}[]", parts, above)
    if "object" in kinds:
        yield from _members(schema, where, parts, above)


def _members(schema: Json, where: str, parts: Json, above: tuple[str, ...]) -> Iterator[str]:
    for name, member in schema.get("properties", {}).items():
        yield from unbounded(member, f"{where}.{name}", parts, above)
    more = schema.get("additionalProperties", {})
    if more is not False and "maxProperties" not in schema:
        yield where
    if isinstance(more, dict) and more:
        yield from unbounded(schema["propertyNames"] | {"type": "string"}, f"{where} names", parts, above)
        yield from unbounded(more, f"{where}.*", parts, above)


def test_no_number_text_or_list_of_a_request_is_without_an_end() -> None:
    document = json.loads(write_openapi.FILE.read_text())
    parts, found, bodies = document["components"]["schemas"], set[str](), 0
    for path, item in document["paths"].items():
        for method, operation in item.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content:
                bodies += 1
                found.update(unbounded(content["schema"], f"{method} {path}", parts))
            for parameter in operation.get("parameters", ()):
                place = f"{method} {path} ?{parameter['name']}"
                found.update(unbounded(parameter["schema"], place, parts))
    assert bodies >= 13
    assert found == set()


def test_the_walk_finds_what_has_no_end() -> None:
    text, number = {"type": "string", "maxLength": 3}, {"type": "integer", "minimum": 0, "maximum": 3}
    loose: dict[str, Json] = {
        "text": {"type": "string"},
        "number": {"type": "number", "minimum": 0},
        "large": {"type": "integer", "minimum": 0, "maximum": 2**40},
        "list": {"type": "array", "items": text},
        "inner": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        "choice": {"anyOf": [number, {"type": "string"}]},
        "map": {"type": "object", "additionalProperties": number, "propertyNames": {"maxLength": 3}},
        "names": {"type": "object", "additionalProperties": number, "propertyNames": {}, "maxProperties": 3},
        "any": {},
    }
    for name, schema in loose.items():
        assert list(unbounded({"$ref": "#/P"}, "", {"P": {"type": "object", "properties": {"x": schema}}})), (
            name
        )
    whole = {"type": "object", "additionalProperties": False, "properties": {"a": text, "b": number}}
    assert list(unbounded(whole, "", {})) == []


@pytest.mark.parametrize(
    ("path", "body", "pointer", "said"),
    [
        ("selections", {"features": {"max_length": HUGE}}, "/features/max_length", "from 2 to 2147483647"),
        ("selections", {"features": {"max_length": 10**30}}, "/features/max_length", "from 2 to 2147483647"),
        ("selections", {"features": {"batch_tokens": 2**31}}, "/features/batch_tokens", "from 16 to 2147"),
        ("selections", {"features": {"dim": "64"}}, "/features/dim", "from 1 to 1048576"),
        ("selections", {"spec": {"repeat_budget": 10**18}}, "/spec/repeat_budget", "from 1 to 2147483647"),
        ("selections", {"spec": {"iterations": True}}, "/spec/iterations", "from 1 to 10000"),
        ("selections", {"spec": {"alpha": "1"}}, "/spec/alpha", "at least 0 and at most 1000"),
        ("selections", {"spec": {"lambda": 101}}, "/spec/lambda", "at most 100"),
        ("selections", {"spec": {"tradeoff": "yes"}}, "/spec/tradeoff", "boolean"),
        ("selections", {"seed": 2**31}, "/seed", "from 0 to 2147483647"),
        ("selections", {"k": HUGE}, "/k", "from 1 to 2147483647"),
        ("trainings", {"spec": {"max_length": HUGE}}, "/spec/max_length", "from 2 to 2147483647"),
        ("trainings", {"spec": {"lora_alpha": 1e300}}, "/spec/lora_alpha", "at most 1000000"),
        ("trainings", {"spec": {"max_grad_norm": 1e300}}, "/spec/max_grad_norm", "at most 1000000"),
        ("trainings", {"spec": {"micro_batch_size": 10**30}}, "/spec/micro_batch_size", "from 1 to 4096"),
        ("evaluations", {"spec": {"max_length": HUGE}}, "/spec/max_length", "from 2 to 2147483647"),
        ("evaluations", {"spec": {"batch_tokens": HUGE}}, "/spec/batch_tokens", "from 16 to 2147483647"),
        ("evaluations", {"limit": HUGE}, "/limit", "from 1 to 2147483647"),
        ("loops", {"features": {"max_length": HUGE}}, "/features/max_length", "from 2 to 2147483647"),
        ("loops", {"generator": {"kind": "pool", "pool_id": "p", "size": HUGE}}, "/generator/size", "from 1"),
        ("loops", {"stop": {"generated_tokens": 10**30}}, "/stop/generated_tokens", "from 1 to 2147483647"),
    ],
)
def test_a_number_out_of_range_is_refused_with_its_range(
    api: Api, path: str, body: Json, pointer: str, said: str
) -> None:
    whole = {"selections": SELECTION, "trainings": TRAINING, "evaluations": EVALUATION, "loops": LOOP}[path]
    answer = api.post(f"/v1/{path}", {**whole, **body})
    assert answer.status_code == 422, answer.text
    fault = answer.json()["errors"][0]
    assert (fault["pointer"], said in fault["detail"]) == (pointer, True), answer.text


def odd(text: str) -> list[tuple[str, Json]]:
    """The text in every field that is one."""
    openai = {"kind": "openai", "model": "m", "size": 1, "url": "https://example.com"}
    return [
        ("selections", SELECTION | {"spec": {"group_mode": "quota", "quotas": {text: 1.0}}}),
        ("selections", SELECTION | {"features": {"checkpoints": [{"model": text}]}}),
        ("selections", SELECTION | {"features": {"modules": text}}),
        ("selections", SELECTION | {"features": {"layers": text}}),
        ("selections", SELECTION | {"model": text}),
        ("selections", SELECTION | {"name": text}),
        ("selections", SELECTION | {"metadata": {text: "a"}}),
        ("selections", SELECTION | {"metadata": {"a": text}}),
        ("selections", SELECTION | {"exclude_selection_ids": [text]}),
        ("selections", {**SELECTION, "target": None, "target_id": text}),
        ("trainings", {"file_id": text}),
        ("trainings", TRAINING | {"base_model": text}),
        ("evaluations", EVALUATION | {"model": text}),
        ("loops", LOOP | {"proxy": text}),
        ("loops", LOOP | {"generator": {"kind": "pool", "pool_id": text}}),
        ("loops", LOOP | {"generator": openai | {"model": text}}),
        ("loops", LOOP | {"generator": openai | {"url": f"https://example.com/{text}"}}),
        ("api_keys", {"name": text, "scopes": ["train"]}),
        ("api_keys", {"name": "a", "scopes": [text]}),
        ("webhook_endpoints", {"url": f"https://example.com/{text}"}),
        ("webhook_endpoints", {"url": "https://example.com/", "events": [text]}),
        ("uploads", {"name": text}),
        ("pools", {"name": text}),
    ]


@pytest.mark.parametrize("text", [NUL, HALF], ids=["nul", "half"])
def test_texts_that_nothing_can_store_are_refused_in_every_field(api: Api, text: str) -> None:
    for path, body in odd(text):
        content = json.dumps(body).encode()  # which writes both as escapes
        headers = {"Content-Type": "application/json"}
        answer = api.call("POST", f"/v1/{path}", content=content, headers=headers)
        assert answer.status_code in (400, 422), (path, body, answer.text)


def test_faults_are_listed_up_to_a_hundred(api: Api) -> None:
    body = {**SELECTION, **dict.fromkeys(map(str, range(90)), 1)}
    problem = api.post("/v1/selections", body).json()
    assert [fault["pointer"] for fault in problem["errors"]] == [f"/{number}" for number in range(90)]
    body["spec"] = dict.fromkeys(map(str, range(95)), 1)
    problem = api.post("/v1/selections", body).json()
    assert len(problem["errors"]) == 100
    assert "185 faults, the first 100 are listed" in problem["detail"]
    long = api.post("/v1/selections", {**SELECTION, "x" * 10**6: "y" * 10**6})
    assert (long.status_code, len(long.content) < 2000) == (422, True)


TRIES = 8  # the first request of a kind pays for imports, and others may have the processor meanwhile


def _many(count: int) -> str:
    return ",".join(f'"{number}":1' for number in range(count))


HEAVY = {
    "unknown fields": f"{{{_many(200_000)}}}",
    "unknown fields of a part": f'{{"spec":{{{_many(200_000)}}}}}',
    "unknown fields of features": f'{{"features":{{{_many(200_000)}}}}}',
    "unknown fields of a checkpoint": f'{{"features":{{"checkpoints":[{{{_many(200_000)}}}]}}}}',
    "quotas": f'{{"spec":{{"quotas":{{{_many(200_000)}}}}}}}',
    "lists": f'{{"candidates":[{",".join(["[]"] * 4_600_000)}]}}',
    "nested lists": "[" * 7_000_000 + "]" * 7_000_000,
    "ids": f'{{"exclude_selection_ids":[{",".join(["1"] * 200_000)}]}}',
    "pattern": f'{{"features":{{"modules":"{"a?" * 10**6}"}}}}',
    "a long name": f'{{"name":"{"a" * 10**7}"}}',
}


@pytest.fixture(scope="module")
def app(api: Api) -> FastAPI:
    """The application itself, whose event loop a test can time."""
    return create_app(api.settings)


@pytest.mark.parametrize("kind", HEAVY)
@pytest.mark.parametrize("path", ["/v1/selections", "/v1/pools/pool_00000000000000000000000000/batches"])
def test_a_heavy_body_is_refused_in_little_time_of_the_event_loop(
    api: Api, app: FastAPI, path: str, kind: str
) -> None:
    taken = []
    for _ in range(TRIES):
        status, problem, seconds = asyncio.run(posted(app, api.api_key, path, HEAVY[kind].encode()))
        assert status in (400, 413, 422), problem
        assert len(problem["errors"]) <= 100
        taken.append(seconds)
        if seconds < LOOP_SECONDS:
            break
    assert min(taken) < LOOP_SECONDS, taken


async def posted(app: FastAPI, key: str, path: str, content: bytes) -> tuple[int, Json, float]:
    """Status and problem of a POST, and the processor time that the event loop's thread took for it."""
    sent: list[Any] = []
    headers = [(b"authorization", f"Bearer {key}".encode()), (b"content-type", b"application/json")]
    scope: Json = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
    }
    scope |= {"headers": headers, "scheme": "http", "http_version": "1.1", "root_path": ""}
    scope |= {"server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "state": {}}

    async def receive() -> Json:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    app.openapi()  # made once, at the first request that needs it
    before = time.thread_time()
    await app(scope, receive, send)
    seconds = time.thread_time() - before
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(body), seconds


def test_a_route_with_a_slash_too_many_redirects_nowhere(api: Api) -> None:
    answer = api.call("GET", "/v1/targets/", headers={"Host": "evil.example"})
    assert (answer.status_code, "location" in answer.headers) == (404, False)
    answer = httpx.get(f"{api.url}/livez/", headers={"Host": "evil.example"})
    assert (answer.status_code, "location" in answer.headers) == (404, False)


def test_a_long_suffix_of_a_files_name_is_no_failure(api: Api) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    answer = api.call("POST", f"/v1/files?name=a.{'b' * 200}", content=b"x", headers=headers)
    assert answer.status_code == 201, answer.text
    assert api.call("GET", f"/v1/files/{answer.json()['id']}/content").content == b"x"


def test_a_path_with_the_character_0_is_audited_like_others(api: Api) -> None:
    reader = api.made("/v1/api_keys", {"name": "reader", "scopes": ["select:read"]})
    headers = {"Authorization": f"Bearer {reader['secret']}"}
    assert httpx.post(f"{api.url}/v1/pools/%00/batches", headers=headers).status_code == 403
    found = api.get("/v1/audit_events?limit=1")["data"][0]
    assert (found["key_id"], found["status"]) == (reader["id"], 403)
    assert found["path"] == "/v1/pools/\ufffd/batches"
