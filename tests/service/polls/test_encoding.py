"""Rows that nothing of ours writes: their owner sees what is certain of them, and nobody else any of it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from sqlalchemy import text

from tests.live import Api, Json
from tests.service.jobs.test_routes import make_job
from tests.service.test_pages import cookie

CURVE = '{"diagnostics": {"tradeoff": [{"transport": %s}]}}'
LARGEST = 1.7976931348623157e308


def poisoned(api: Api, column: str, value: str) -> str:
    """A job with this JSON in one of its columns."""
    job_id = make_job(api)
    with api.database.transaction() as session:
        change = f"{column} = cast(:value as jsonb), status = 'completed'"
        statement = text(f"update jobs set {change} where id = :id")
        session.execute(statement, {"value": value, "id": job_id})
    return job_id


def shown(api: Api, job_id: str) -> Json:
    """The job, which every way of looking at it shows."""
    job = api.get(f"/v1/selections/{job_id}")
    listed = {found["id"]: found for found in api.get("/v1/selections")["data"]}
    assert listed[job_id] == job
    kept = {"Cookie": cookie(api)}
    for page in ("", f"/{job_id}", f"/{job_id}/live"):
        assert httpx.get(f"{api.url}/ui/selections{page}", headers=kept).status_code == 200, page
    assert api.call("POST", f"/v1/selections/{job_id}/cancel").status_code == 409
    return job


@pytest.mark.parametrize(
    ("number", "seen"),
    [
        ("78000000000000000000000000", 7.8e25),
        ("18446744073709551616", 2.0**64),
        ("-18446744073709551616", -(2.0**64)),
        ("1e400", LARGEST),
        ("-" + "9" * 5000, -LARGEST),
        ("9007199254740993", 2**53 + 1),
    ],
)
def test_a_number_beyond_64_bits_is_shown_as_the_nearest_that_fits(
    other: Api, number: str, seen: float
) -> None:
    job = shown(other, poisoned(other, "result", CURVE % number))
    assert job["result"]["diagnostics"]["tradeoff"][0]["transport"] == seen
    request = '{"features": {"max_length": %s}, "spec": {}}'
    job = shown(other, poisoned(other, "request", request % number))
    assert job["request"]["features"]["max_length"] == seen


def test_a_value_that_is_nested_too_deeply_says_so(other: Api) -> None:
    job = shown(other, poisoned(other, "result", '{"a":' * 2000 + "1" + "}" * 2000))
    assert job["result"]["unreadable"]


@pytest.mark.parametrize(("column", "value"), [("result", "[1]"), ("result", '"text"')])
def test_a_row_of_another_shape_shows_what_is_certain(other: Api, column: str, value: str) -> None:
    job_id = poisoned(other, column, value)
    job = shown(other, job_id)
    assert (job["id"], job["status"], job["done"], job["result"]) == (job_id, "completed", True, None)
    assert job["error"]["code"] == "unreadable_row"
    assert job["created_at"]


@pytest.mark.parametrize(
    "change",
    [
        "result = '[78000000000000000000000000]', status = 'completed'",
        "created_at = 'infinity'",  # which the driver cannot read: the whole query fails
    ],
)
def test_a_poisoned_row_costs_no_other_tenant_a_poll(api: Api, other: Api, change: str) -> None:
    bad, good = make_job(api), make_job(other)
    with api.database.transaction() as session:
        session.execute(text(f"update jobs set {change} where id = :id"), {"id": bad})
    barrier = threading.Barrier(16)

    def look(number: int) -> int:
        tenant, job_id = (other, good) if number % 2 else (api, bad)
        barrier.wait()
        return tenant.call("GET", f"/v1/selections/{job_id}").status_code

    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(look, range(64)))
    assert set(found[1::2]) == {200}
    with api.database.transaction() as session:
        session.execute(text("delete from events where job_id = :id"), {"id": bad})
        session.execute(text("delete from shards where job_id = :id"), {"id": bad})
        session.execute(text("delete from jobs where id = :id"), {"id": bad})
