"""Headers of answers in the OpenAPI document."""

import pytest

from service.openapi import headers


@pytest.mark.parametrize(
    ("status", "operation_id", "more"),
    [
        (429, "pools.list", {"Retry-After"}),
        (409, "pools.create", {"Retry-After"}),
        (409, "pools.list", set()),
        (416, "files.content", {"Content-Range"}),
        (404, "pools.create", set()),
    ],
)
def test_a_problem_names_what_it_carries(status: int, operation_id: str, more: set[str]) -> None:
    assert set(headers.of_problem(status, operation_id)) == {"X-Request-Id", *more}


def test_every_reference_leads_to_a_header() -> None:
    waits = {
        "operationId": "selections.create",
        "parameters": [{"name": "wait"}, {"name": "idempotency-key"}],
    }
    named = {
        name for status in (200, 202, 206) for name in headers.of("/v1/files/{id}/content", status, waits)
    }
    assert named == set(headers.ALL)
