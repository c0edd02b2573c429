"""What an operator sees: requests of the process, jobs from the database, a journal line for each request."""

import logging
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.live import Api, question


def scraped(api: Api) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = httpx.get(f"{api.url}/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_and_jobs_are_counted(api: Api) -> None:
    route = ("evoselect_requests_total", (("method", "GET"), ("route", "/v1/pools"), ("status", "200")))
    jobs = ("evoselect_open_jobs", (("kind", "selection"), ("status", "queued")))
    before = scraped(api)
    api.get("/v1/pools")
    made = api.made("/v1/selections", {"target": [question(9)], "candidates": [question(1)], "k": 1})["id"]
    after = scraped(api)
    assert after[route] == before.get(route, 0) + 1
    assert after[jobs] == before.get(jobs, 0) + 1
    assert after["evoselect_unfinished_shards", (("queue", "features"), ("state", "ready"))] >= 2
    assert after["evoselect_outbox_rows", ()] >= 1
    api.made(f"/v1/selections/{made}/cancel", {})
    assert scraped(api).get(jobs, 0) == before.get(jobs, 0)


def test_labels_are_bounded_and_name_no_tenant(api: Api) -> None:
    for number in range(3):
        api.call("GET", f"/v1/pools/pool_{number:026d}")
        httpx.get(f"{api.url}/nowhere/{number}")
    labels = {value for _, pairs in scraped(api) for _, value in pairs}
    assert not any("0000000" in value or "nowhere" in value or api.tenant_id in value for value in labels)
    assert "/v1/pools/{pool_id}" in labels


def test_each_request_leaves_one_line(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "evoselect.requests"):
        answer = api.call("GET", "/v1/pools/nonsense?name=private")
    lines: list[Any] = [line for line in caplog.records if line.name == "evoselect.requests"]
    (line,) = [line for line in lines if line.request == answer.headers["x-request-id"]]
    assert (line.tenant, line.method, line.path, line.status) == (
        api.tenant_id,
        "GET",
        "/v1/pools/nonsense",
        422,  # pools take no name
    )
    assert line.key.startswith("key_")
    assert line.bytes == len(answer.content)
    assert "private" not in str(line.__dict__)
