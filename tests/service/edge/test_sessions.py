"""The API below /ui/v1: the rights of the session's key, and nothing without cookie, origin and token."""

import httpx
import pytest

from tests.live import Api, another_tenant, question
from tests.service.signed_in import Session, session_of

TARGET = {"records": [question(1)]}


@pytest.fixture(scope="module")
def tenant(api: Api) -> Api:
    return another_tenant(api)


@pytest.fixture(scope="module")
def session(tenant: Api) -> Session:
    return session_of(tenant)


def test_a_page_may_do_what_its_key_may(tenant: Api, session: Session) -> None:
    made = session.call("POST", "/targets", json=TARGET)
    assert made.status_code == 201, made.text
    assert tenant.get(f"/v1/targets/{made.json()['id']}")["count"] == 1
    line = tenant.get("/v1/audit_events?limit=1")["data"][0]
    assert (line["method"], line["path"], line["status"]) == ("POST", "/v1/targets", 201)
    found = session.call("GET", f"/targets/{made.json()['id']}")
    assert (found.status_code, found.headers["x-content-type-options"]) == (200, "nosniff")
    assert "sandbox" in found.headers["content-security-policy"]


def test_a_change_needs_origin_and_token(tenant: Api, session: Session) -> None:
    before = len(tenant.get("/v1/pools")["data"])
    for headers in (
        {"X-Form-Token": ""},
        {"X-Form-Token": "x" * 64},
        {"X-Form-Token": session_of(another_tenant(tenant)).token},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        refused = session.call("POST", "/pools", json={}, headers=headers)
        assert refused.status_code == 403, headers
        assert refused.json()["code"] in ("wrong_form_token", "cross_origin")
    assert len(tenant.get("/v1/pools")["data"]) == before
    line = tenant.get("/v1/audit_events?limit=1")["data"][0]
    assert (line["path"], line["status"]) == ("/ui/v1/pools", 403)


def test_nobody_else_gets_in(api: Api, tenant: Api, session: Session) -> None:
    url = f"{tenant.url}/ui/v1/targets"
    bearer = {"Authorization": f"Bearer {tenant.api_key}"}
    for headers in ({}, bearer, {"Cookie": "__Host-evoselect=x"}):
        refused = httpx.get(url, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "no_session"), headers
    refused = httpx.get(f"{tenant.url}/v1/targets", headers={"Cookie": session.cookie})
    assert refused.json()["code"] == "no_api_key"
    mine = session.call("POST", "/targets", json=TARGET).json()["id"]
    assert session_of(another_tenant(api)).call("GET", f"/targets/{mine}").status_code == 404


def test_scopes_hold(tenant: Api) -> None:
    made = tenant.made("/v1/api_keys", {"name": "looks", "scopes": ["select:read"]})
    reader = session_of(Api(tenant.url, made["secret"], tenant.settings, tenant.database, tenant.tenant_id))
    assert reader.call("GET", "/targets").status_code == 200
    refused = reader.call("POST", "/targets", json=TARGET)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert reader.call("GET", "/api_keys").status_code == 403
    tenant.call("DELETE", f"/v1/api_keys/{made['id']}")
    assert reader.call("GET", "/targets").json()["code"] == "no_session"


def test_a_browser_that_comes_to_the_root_is_led_to_the_pages(tenant: Api) -> None:
    html = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    found = httpx.get(f"{tenant.url}/", headers=html)
    assert (found.status_code, found.headers["location"]) == (303, "/ui")
    for accept in ("application/json", "*/*", "image/png"):
        assert httpx.get(f"{tenant.url}/", headers={"Accept": accept}).status_code == 404, accept
