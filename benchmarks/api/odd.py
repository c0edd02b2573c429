"""A dictionary of odd values in every field, parameter and header of every route, and of every page.

schemathesis draws values from the schema; these are such as break services: the character 0, half of a
surrogate pair, 10^30, brackets in brackets, one key twice. No answer to any is 500, or none at all.
"""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import httpx
from fastapi.routing import APIRoute

from benchmarks.api.fuzz import ENDING_KEYS
from service.pages import changes
from service.pages import routes as pages
from tests.live import Api
from tests.tenancy import World, populate

Json = dict[str, Any]
JSON_VALUES = (  # as they stand in the body: no encoder would write some of them
    r'"a\u0000b"', r'"\ud800"', r'"\ud83d\ude00"', '"\x00"',
    f'"1{"0" * 30}"', f"1{'0' * 30}", f"-1{'0' * 30}", "1e308", "1e400", "-0.0", "0.5", "NaN", "true", "null",
    '""', f'"{"x" * 5000}"', f'"{"a?" * 1000}"', "[" * 200 + "]" * 200, '{"a":1,"a":{"b":[]}}', "[null]",
    '["..", "../..", "%00"]', '"$where"', '"((((((((((a+)+)+)+)+)+)+)+)+)+"',
)  # fmt: skip
TEXTS = (  # percent-encoded, for paths and queries
    "%00", "a%00b", "%ED%A0%80", "%F0%9F%98%80", "%FF", "9" * 30, "9" * 4400, "-1", "1e400", "nan",
    "%2e%2e%2f", "%5B%5B%5B", "%27%22%3C", "%C2%B2",
)  # fmt: skip
HEADER_VALUES = (b"\x80\xff", b"9" * 5000, b"\xc2\xb2", b"[[[", b"a,,;q=nan;=", b"bytes=9-1,\xb2-", b"*")
HEADERS = (
    "accept", "content-type", "content-encoding", "idempotency-key", "if-match", "if-none-match", "if-range",
    "last-event-id", "range", "traceparent", "cookie", "authorization",
)  # fmt: skip
PLACE = "the odd value stands here"
THREADS = 4
SECONDS = 70  # for an answer


@dataclass(frozen=True)
class Case:
    """One request."""

    method: str
    path: str
    content: bytes | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()


def fuzz_odd(apis: tuple[Api, Api], *, every: int = 1, most: int | None = None) -> Json:
    """Send every n-th case, tenants in turns; counts, and what was answered with 500 or not at all."""
    worlds, cookies = [populate(api) for api in apis], [_signed_in(api) for api in apis]
    document = httpx.get(f"{apis[0].url}/openapi.json", timeout=SECONDS).json()
    found = list(islice(cases(document, worlds[0]), 0, most, every))
    with httpx.Client(timeout=SECONDS, limits=httpx.Limits(max_connections=THREADS)) as client:

        def send(numbered: tuple[int, Case]) -> str:
            number, case = numbered
            return _status(client, apis[number % 2], cookies[number % 2], case)

        with ThreadPoolExecutor(THREADS) as threads:
            statuses = list(threads.map(send, enumerate(found)))
    failed = [f"{case} -> {status}" for case, status in zip(found, statuses, strict=True) if status >= "500"]
    return {
        "odd_cases": len(found),
        "odd_failures": len(failed),
        "odd_failed": failed[:20],
        "odd_statuses": dict(sorted(Counter(statuses).items())),
    }


def cases(document: Json, world: World) -> Iterator[Case]:
    """All of them: bodies, then parameters and headers of routes, then pages."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if path.startswith("/v1/") and operation["operationId"] not in ENDING_KEYS:
                yield from _bodies(document, world, path, method, operation)
                names = [(one["name"], one["in"]) for one in operation.get("parameters", ())]
                yield from _parameters(world, path, method, names)
    for router in (pages.router, changes.router):
        for route in router.routes:
            assert isinstance(route, APIRoute)
            names = [(one.name, "query") for one in route.dependant.query_params]
            names += [(one.name, "path") for one in route.dependant.path_params]
            for method in route.methods or ():
                yield from _parameters(world, route.path, method, names)


def _bodies(document: Json, world: World, path: str, method: str, operation: Json) -> Iterator[Case]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return
    headers = ((b"content-type", b"application/json"),)
    schema = _resolved(document, content["schema"])
    example = schema.get("examples", [{}])[0]
    filled = _filled(world, path)
    for pointer in _pointers(document, schema):
        text = json.dumps(_with(example, pointer))
        for value in JSON_VALUES:
            body = text.replace(f'"{PLACE}"', value).encode("utf-8", "surrogatepass")
            yield Case(method, filled, body, headers)
    for value in (*JSON_VALUES, '{"name":"a","name":"b"}', "[" * 5000, "{" * 5000, "\ud800", "\x00", ""):
        yield Case(method, filled, value.encode("utf-8", "surrogatepass"), headers)


def _pointers(document: Json, schema: Json, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every field, and a key of every map."""
    schema = _resolved(document, schema)
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _pointers(document, choice, above)
    for name, member in schema.get("properties", {}).items():
        yield (*above, name)
        yield from _pointers(document, member, (*above, name))
    if isinstance(schema.get("additionalProperties"), dict):
        yield (*above, "a")


def _with(example: Json, pointer: tuple[str, ...]) -> Json:
    """The example with the odd value in this place."""
    name, *rest = pointer
    inner = example.get(name)
    value = _with(inner if isinstance(inner, dict) else {}, tuple(rest)) if rest else PLACE
    return {**example, name: value}


def _parameters(world: World, path: str, method: str, names: list[tuple[str, str]]) -> Iterator[Case]:
    plain = _filled(world, path)
    for name, place in names:
        for text in TEXTS:
            if place == "path":
                yield Case(method, _filled(world, path, **{name: text}))
            elif place == "query":
                yield Case(method, f"{plain}?{name}={text}&{name}=1")
    for header in HEADERS:
        for value in HEADER_VALUES:
            yield Case(method, plain, headers=((header.encode(), value),))


def _filled(world: World, path: str, **odd: str) -> str:
    """The path with ids that exist, but for the odd ones."""
    noun = path.split("/")[2] if path.count("/") > 1 else ""
    known = {"noun": "selections", "name": "base.css", "way": "pause", "number": "1"}
    for part in [part for part in path.split("/") if part.startswith("{")]:
        name = part.strip("{}").partition(":")[0]
        if name in odd:
            value = odd[name]
        elif path.startswith("/ui/"):
            value = known.get(name) or world.ids[f"{noun if noun in KINDS else 'selections'}.job_id"]
        else:
            value = world.of(name, path)
        path = path.replace(part, value)
    return path


KINDS = ("selections", "loops")


def _resolved(document: Json, schema: Json) -> Json:
    if "$ref" not in schema:
        return schema
    found: Json = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _signed_in(api: Api) -> bytes:
    answer = httpx.post(
        f"{api.url}/ui/sign-in",
        data={"api_key": api.api_key},
        headers={"Sec-Fetch-Site": "same-origin"},
        timeout=SECONDS,
    )
    return answer.headers["set-cookie"].partition(";")[0].encode()


def _status(client: httpx.Client, api: Api, cookie: bytes, case: Case) -> str:
    sent = {b"authorization": f"Bearer {api.api_key}".encode(), b"cookie": cookie}
    headers = sent | {b"sec-fetch-site": b"same-origin", **dict(case.headers)}
    try:
        with client.stream(
            case.method.upper(), f"{api.url}{case.path}", content=case.content, headers=headers
        ) as answer:
            return str(answer.status_code)  # a stream of events need not be read to its end
    except httpx.TransportError as error:
        return f"none: {error!r}"
