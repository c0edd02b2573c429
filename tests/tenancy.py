"""Every route of the API with another tenant's ids, one position at a time: what leaks, as a list.

The routes come from the application's own OpenAPI document. A new route whose ids nobody here can make is
an error, so that none is forgotten.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from evoselect.spec.training import TrainingSpec
from store.jobs import lifecycle as jobs
from store.jobs import plans
from store.kit.ids import new_id
from store.models import adapters
from store.tables.loops import Round
from store.tables.states import JobKind
from tests.live import Api, Json, another_tenant, question

PHASES: dict[str, Json] = {  # of routes whose bodies carry no ids
    "POST /v1/targets": {"records": [question(1)]},
    "POST /v1/pools": {},
    "POST /v1/uploads": {},
    "POST /v1/pools/{pool_id}/batches": {"records": [question(1)]},
    "POST /v1/loops/{job_id}/rounds/{number}/candidates": {"records": [question(1)]},
    "POST /v1/api_keys": {"name": "matrix", "scopes": ["select:read"]},
    "POST /v1/api_keys/{key_id}/rotate": {},
    **{
        f"PATCH /v1/{place}": {"name": "theirs"}
        for place in (
            "targets/{target_id}",
            "pools/{pool_id}",
            "models/{name}",
            "selections/{job_id}",
            "trainings/{job_id}",
            "evaluations/{job_id}",
            "loops/{job_id}",
            "comparisons/{job_id}",
            "indexings/{job_id}",
        )
    },
}
QUERIES = {"/v1/pools/{pool_id}/similar": "?record_id=nobody"}  # of routes that need one
NO_RESOURCES = {"number": "1", "candidate_id": "nobody"}  # name nothing without the id before them


@dataclass(frozen=True)
class World:
    """One tenant's resources, by the names that ids go by in paths and bodies."""

    ids: dict[str, str]

    def of(self, name: str, path: str) -> str:
        """The id for a parameter; `job_id` and the like depend on the noun of the path."""
        noun = path.split("/")[2]
        found = self.ids.get(f"{noun}.{name}") or self.ids.get(name) or NO_RESOURCES.get(name)
        if found is None:
            raise LookupError(f"tests/tenancy.py cannot make {{{name}}} of {path}: add it to populate()")
        return found


@dataclass(frozen=True)
class Attempt:
    """One request with one foreign id."""

    method: str
    path: str
    position: str
    foreign: str
    make: Callable[[str], tuple[str, Json | None]]
    """The URL and body with this id in the position."""

    def __str__(self) -> str:
        return f"{self.method} {self.path} with another tenant's {self.position}"


def populate(api: Api) -> World:
    """One of everything for the tenant."""
    target = api.made("/v1/targets", {"records": [question(1), question(3)]})["id"]
    pool = api.made("/v1/pools", {})["id"]
    api.made(f"/v1/pools/{pool}/batches", {"records": [question(2)]})
    measured = api.made("/v1/targets", {"records": [question(number) for number in (50, 51)]})["id"]
    file = api.call(
        "POST", "/v1/files", content=b"x", headers={"Content-Type": "application/octet-stream"}
    ).json()["id"]
    upload = api.made("/v1/uploads", {})["id"]
    model = api.settings.default_model
    training, adapter = _trained(api)
    endpoint = api.made("/v1/webhook_endpoints", {"url": "https://receiver.example/"})["id"]
    cancelled = api.made("/v1/selections", {"target_id": target, "pool_id": pool, "k": 1})["id"]
    api.made(f"/v1/selections/{cancelled}/cancel", {})
    return World(
        {
            "target_id": target,
            "measured_id": measured,
            "pool_id": pool,
            "file_id": file,
            "upload_id": upload,
            "other_id": cancelled,
            "key_id": api.get("/v1/api_keys")["data"][0]["id"],
            "selections.job_id": api.made("/v1/selections", {"target_id": target, "pool_id": pool, "k": 1})[
                "id"
            ],
            "evaluations.job_id": api.made("/v1/evaluations", {"target_id": target, "model": model})["id"],
            "trainings.job_id": training,
            "evaluations.other_id": api.made("/v1/evaluations", {"target_id": target, "model": model})["id"],
            "loops.job_id": _loop(api, target),
            "comparisons.job_id": api.made("/v1/comparisons", comparison_of(target, measured, pool))["id"],
            "indexings.job_id": api.made("/v1/indexings", indexing_of(_indexed(api)))["id"],
            "endpoint_id": endpoint,
            "delivery_id": api.get("/v1/webhook_deliveries")["data"][0]["id"],
            "models.name": adapter,
        }
    )


def _indexed(api: Api) -> str:
    """A pool of its own, since one indexing of a pool is open at a time."""
    pool: str = api.made("/v1/pools", {})["id"]
    api.made(f"/v1/pools/{pool}/batches", {"records": [question(4)]})
    return pool


def indexing_of(pool: str) -> Json:
    """The body of an indexing."""
    return {"pool_id": pool, "features": {"kind": "hidden"}}


def comparison_of(target: str, measured: str, pool: str) -> Json:
    """The body of a comparison."""
    ids = {"target_id": target, "evaluation_target_id": measured, "pool_id": pool}
    return {**ids, "k": 1, "arms": ["random", "capacity"]}


def _loop(api: Api, target: str) -> str:
    """A loop whose first round waits for candidates, as a look would leave it."""
    body = {"target_id": target, "evaluation_target_id": target, "generator": {"kind": "push"}, "k": 1}
    loop_id = str(api.made("/v1/loops", body)["id"])
    with api.database.transaction() as session:
        session.add(
            Round(loop_id=loop_id, number=1, state="waiting", pool_id=api.made("/v1/pools", {})["id"])
        )
    return loop_id


def _trained(api: Api) -> tuple[str, str]:
    """A training and its adapter, as a worker would leave them."""
    with api.database.transaction() as session:
        shard = plans.single_shard("train", 1)
        request = {"spec": TrainingSpec().model_dump(mode="json")}
        job = jobs.create(
            session, tenant_id=api.tenant_id, kind=JobKind.TRAINING, request=request, plans=shard
        )
        adapter = adapters.fresh_id()
        adapters.create(
            session,
            model_id=adapter,
            tenant_id=api.tenant_id,
            training_id=job.id,
            base_model=api.settings.default_model,
            files={},
            lineage={},
        )
        return job.id, adapter


def attempts(api: Api, mine: World, theirs: World) -> Iterator[Attempt]:
    """Each id position of each route below /v1."""
    paths: dict[str, Json] = httpx.get(f"{api.url}/openapi.json").json()["paths"]
    for path, operations in paths.items():
        if not path.startswith("/v1/"):
            continue
        for method, operation in operations.items():
            names = [item["name"] for item in operation.get("parameters", []) if item["in"] == "path"]
            for name in names:
                if name in NO_RESOURCES:
                    continue
                yield _in_path(method.upper(), path, name, names, mine, theirs)
    yield from in_bodies(mine, theirs)


def leaks(api: Api) -> list[str]:
    """What one tenant learns or changes of another one's; empty when all is well."""
    victim, attacker = another_tenant(api), another_tenant(api)
    theirs, mine = populate(victim), populate(attacker)
    before = _seen(victim)
    tried = list(attempts(attacker, mine, theirs))
    found = [f"{attempt}: {why}" for attempt in tried if (why := leak(attacker, attempt))]
    found += [f"{path} lists {name} {id}" for path, name, id in _listed(attacker, theirs)]
    if _seen(victim) != before:
        found.append("an attempt changed what the other tenant sees")
    if len(tried) < len(PHASES):
        found.append(f"only {len(tried)} attempts were made: the matrix is broken")
    return found


def _in_path(method: str, path: str, name: str, names: list[str], mine: World, theirs: World) -> Attempt:
    body = None if method in ("GET", "DELETE") else PHASES.get(f"{method} {path}", {})

    def make(id: str) -> tuple[str, Json | None]:
        values = {other: mine.of(other, path) for other in names} | {name: id}
        return path.format(**values) + QUERIES.get(path, ""), body

    return Attempt(method, path, name, theirs.of(name, path), make)


def in_bodies(mine: World, theirs: World) -> Iterator[Attempt]:
    """Each id field of each request body; test_every_id_field_is_tried holds the list complete."""
    selection = {"target_id": mine.ids["target_id"], "pool_id": mine.ids["pool_id"], "k": 1}
    files = {"target": mine.ids["file_id"], "pool": mine.ids["file_id"]}
    provided = {**selection, "features": {"kind": "provided"}, "feature_files": files}
    evaluation = {"target_id": mine.ids["target_id"], "model": "smollm2-135m-instruct"}
    chosen = theirs.ids["selections.job_id"]
    yield _in_body("/v1/selections", selection, ("target_id",), theirs.ids["target_id"])
    yield _in_body("/v1/selections", selection, ("pool_id",), theirs.ids["pool_id"])
    yield _in_body("/v1/selections", selection, ("exclude_selection_ids",), chosen, as_list=True)
    looked_at = {**selection, "spec": {"near_copies": {}}}
    against = ("spec", "near_copies", "against")
    yield _in_body("/v1/selections", looked_at, against, theirs.ids["target_id"], as_list=True)
    yield _in_body("/v1/selections", provided, ("feature_files", "target"), theirs.ids["file_id"])
    yield _in_body("/v1/selections", provided, ("feature_files", "pool"), theirs.ids["file_id"])
    yield _in_body("/v1/trainings", {}, ("selection_id",), chosen)
    training = {"selection_id": mine.ids["selections.job_id"]}
    yield _in_body("/v1/trainings", {}, ("file_id",), theirs.ids["file_id"])
    yield _in_body("/v1/trainings", {}, ("pool_id",), theirs.ids["pool_id"])
    yield _in_body("/v1/trainings", training, ("base_model",), theirs.ids["models.name"])
    yield _in_body("/v1/evaluations", evaluation, ("model",), theirs.ids["models.name"])
    yield _in_body("/v1/evaluations", evaluation, ("target_id",), theirs.ids["target_id"])
    by_file = {"model": evaluation["model"], "file_id": mine.ids["file_id"]}
    yield _in_body("/v1/evaluations", by_file, ("file_id",), theirs.ids["file_id"])
    yield _in_body("/v1/targets", {}, ("file_id",), theirs.ids["file_id"])
    loop = {
        "target_id": mine.ids["target_id"],
        "evaluation_target_id": mine.ids["target_id"],
        "generator": {"kind": "pool", "pool_id": mine.ids["pool_id"]},
        "k": 1,
    }
    yield _in_body("/v1/loops", loop, ("target_id",), theirs.ids["target_id"])
    yield _in_body("/v1/loops", loop, ("evaluation_target_id",), theirs.ids["target_id"])
    yield _in_body("/v1/loops", loop, ("guard_target_id",), theirs.ids["target_id"])
    yield _in_body("/v1/loops", loop, ("generator", "pool_id"), theirs.ids["pool_id"])
    yield _in_body("/v1/loops", loop, ("base_model",), theirs.ids["models.name"])
    in_loop = {**loop, "selection": {"near_copies": {}}}
    against = ("selection", "near_copies", "against")
    yield _in_body("/v1/loops", in_loop, against, theirs.ids["target_id"], as_list=True)
    yield _in_body("/v1/loops", loop, ("proxy",), theirs.ids["models.name"])
    asked = comparison_of(*(mine.ids[name] for name in ("target_id", "measured_id", "pool_id")))
    for name in ("target_id", "evaluation_target_id"):
        yield _in_body("/v1/comparisons", asked, (name,), theirs.ids["target_id"])
    yield _in_body("/v1/comparisons", asked, ("pool_id",), theirs.ids["pool_id"])
    for name in ("base_model", "proxy"):
        yield _in_body("/v1/comparisons", asked, (name,), theirs.ids["models.name"])
    yield _in_body("/v1/indexings", indexing_of(mine.ids["pool_id"]), ("pool_id",), theirs.ids["pool_id"])
    by_selection = {"pool_id": mine.ids["pool_id"]}
    yield _in_body("/v1/indexings", by_selection, ("selection_id",), chosen)
    by_model = indexing_of(mine.ids["pool_id"])
    yield _in_body("/v1/indexings", by_model, ("model",), theirs.ids["models.name"])
    batches = f"/v1/pools/{mine.ids['pool_id']}/batches"
    yield _in_body(batches, {}, ("file_id",), theirs.ids["file_id"])


def _in_body(
    path: str, body: Json, field: tuple[str, ...], foreign: str, *, as_list: bool = False
) -> Attempt:
    def make(id: str) -> tuple[str, Json]:
        *outer, last = field
        inner: Any = [id] if as_list else id
        changed: Json = {last: inner}
        for depth in range(len(outer), 0, -1):
            own = body
            for name in outer[:depth]:
                own = own[name]
            changed = {outer[depth - 1]: {**own, **changed}}
        return path, {**body, **changed}

    return Attempt("POST", path, ".".join(field), foreign, make)


def leak(api: Api, attempt: Attempt) -> str | None:
    """How the answer to a foreign id differs from that to an id that nobody has; None when it does not."""
    nobodys = new_id(attempt.foreign.split("_")[0])
    foreign, missing = (_answer(api, attempt, id) for id in (attempt.foreign, nobodys))
    if foreign.status_code != 404 and foreign.json().get("code") != "unknown_model":
        return f"answered {foreign.status_code}: {foreign.text[:200]}"
    bodies = [
        {**json.loads(answer.text.replace(id, "...")), "request_id": ""}
        for answer, id in ((foreign, attempt.foreign), (missing, nobodys))
    ]
    return None if bodies[0] == bodies[1] else f"{bodies[0]} is not {bodies[1]}"


def _answer(api: Api, attempt: Attempt, id: str) -> httpx.Response:
    url, body = attempt.make(id)
    return api.call(attempt.method, url, **({} if body is None else {"json": body}))


def _listings(api: Api) -> list[str]:
    paths: dict[str, Json] = httpx.get(f"{api.url}/openapi.json").json()["paths"]
    return [
        path for path, item in paths.items() if path.startswith("/v1/") and "get" in item and "{" not in path
    ]


def _seen(api: Api) -> dict[str, str]:
    """All that the tenant's listings show."""
    return {path: api.call("GET", path).text for path in _listings(api)}


def _listed(api: Api, theirs: World) -> Iterator[tuple[str, str, str]]:
    for path in _listings(api):
        for after in ("", *(f"?after={id}" for id in theirs.ids.values())):
            text = api.call("GET", f"{path}{after}").text
            yield from ((path, name, id) for name, id in theirs.ids.items() if id in text)
