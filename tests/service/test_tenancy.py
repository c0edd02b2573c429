"""No tenant sees or changes what is another one's: every route, every id position, bodies and pages too."""

import httpx

from tests import tenancy
from tests.live import Api


def test_nothing_leaks(api: Api) -> None:
    assert tenancy.leaks(api) == []


def test_every_id_field_of_a_body_is_tried(api: Api) -> None:
    document = httpx.get(f"{api.url}/openapi.json").json()
    schemas = document["components"]["schemas"]
    fields = {
        name
        for schema in schemas.values()
        if schema.get("additionalProperties") is False
        for name in schema.get("properties", {})
        if name.endswith(("_id", "_ids")) and name != "client_batch_id"
    }
    world = tenancy.World(
        dict.fromkeys(
            ("target_id", "measured_id", "pool_id", "file_id", "selections.job_id", "models.name"), "x_1"
        )
    )
    tried = {attempt.position for attempt in tenancy.in_bodies(world, world)}
    assert fields <= tried


def test_the_matrix_notices_a_leak(api: Api) -> None:
    mine = tenancy.populate(api)
    open_to_all = tenancy.Attempt(
        "GET", "/v1/pools/{pool_id}", "pool_id", mine.ids["pool_id"], lambda id: (f"/v1/pools/{id}", None)
    )
    assert tenancy.leak(api, open_to_all)
