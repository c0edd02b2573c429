"""The pages and the report in a real browser: what they show, who gets in, what a hostile record may do."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from service import write_openapi
from service.openapi.document import operations
from store.jobs import lifecycle as jobs
from store.tables.states import JobKind
from tests.live import Api, another_tenant, question, serve
from tests.service.browsing import WIDTHS, accessible, accessible_everywhere, visit
from tests.service.browsing import browser as browser
from tests.service.reported import HOSTILE, Json, reported


@pytest.fixture(scope="module")
def tenant(api: Api) -> Api:
    """A tenant of this file's own."""
    return another_tenant(api)


@pytest.fixture(scope="module")
def job(tenant: Api) -> Json:
    return reported(tenant)


@pytest.fixture
def page(browser: Browser, tenant: Api) -> Iterator[Page]:
    """Signed in."""
    with visit(browser, host(tenant)) as page:
        sign_in(page, tenant)
        yield page


def host(api: Api) -> str:
    return api.url.removeprefix("http://")


def sign_in(page: Page, api: Api) -> None:
    page.goto(f"{api.url}/ui")
    page.get_by_label("API key").fill(api.api_key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def running(api: Api) -> str:
    body = {"target": [question(9)], "candidates": [question(n) for n in range(3)], "k": 1, "name": "waits"}
    job_id: str = api.made("/v1/selections", body)["id"]
    return job_id


@pytest.mark.parametrize("width", WIDTHS)
def test_the_report_is_complete_and_harmless(
    browser: Browser, tenant: Api, job: Json, tmp_path: Path, width: int
) -> None:
    file = tmp_path / "report.html"
    answer = tenant.call("GET", f"/v1/selections/{job['id']}/report", headers={"Accept": "text/html"})
    file.write_text(answer.text)
    with visit(browser, "nobody", width=width, dark=width == 360) as page:
        page.goto(file.as_uri())
        expect(page.locator("html")).to_have_attribute("data-ready", "yes")
        assert page.locator("canvas").count() == 7
        expect(page.get_by_text("60 of 303 candidates were chosen for 20 target examples.")).to_be_visible()
        accessible(page)
        page.get_by_label("Filter: Selected items").fill("c0<")
        expect(page.locator("[data-table=items] tbody tr")).to_have_count(1)
        expect(page.locator("[data-table=items] td.text").last).to_contain_text(HOSTILE)
        page.get_by_label("Selected item, rank").fill("2")
        page.keyboard.press("Tab")
        expect(page.locator("#what")).to_contain_text("score")
        table = page.get_by_text("Table of coverage")
        table.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("region", name="Table of coverage").get_by_role("row").last).to_be_visible()
        _the_map_is_read(page)
        _histograms_filter(page)
        assert page.evaluate("window.stolen") is None


PLACES = """() => {
  const { map } = JSON.parse(document.getElementById("data").textContent);
  const kinds = [map.pool, map.target, map.selected];
  const share = (axis, value) => {
    const all = kinds.flatMap((kind) => kind[axis]), low = Math.min(...all), wide = Math.max(...all) - low;
    return (value - low + 0.04 * wide) / (1.08 * wide);
  };
  const every = kinds.flatMap((kind) => kind.x.map((x, at) =>
    ({ x: share("x", x), y: 1 - share("y", kind.y[at]), text: kind.id && kind.id[at] })));
  const apart = (one) => Math.min(...every.filter((other) => other !== one)
    .map((other) => Math.hypot(other.x - one.x, other.y - one.y)));
  const named = every.filter((one) => one.text).sort((one, other) => apart(other) - apart(one));
  return { ...named[0], all: every.length };
}"""
"""The example on the map that lies farthest from all others, in shares of the picture; how many there are."""


def _the_map_is_read(page: Page) -> None:
    """The pointer names an example by its text; the lasso lists what it encloses."""
    seen, over = page.evaluate(PLACES), page.locator("#map .u-over")
    over.scroll_into_view_if_needed()
    box = over.bounding_box() or pytest.fail("the map is not drawn")

    def move(x: float, y: float) -> None:
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])

    move(seen["x"], seen["y"])
    expect(page.locator("#map .tip")).to_contain_text(seen["text"][:20])
    page.get_by_label("lasso", exact=True).check()
    over.scroll_into_view_if_needed()
    box = over.bounding_box() or pytest.fail("the map is not drawn")
    _draw(page, move, ((0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99)))
    expect(page.locator("#taken")).to_contain_text(f"{seen['all']} rows, page 1")
    near = [(seen["x"] + x / box["width"], seen["y"] + y / box["height"]) for x, y in AROUND]
    _draw(page, move, near)
    expect(page.locator("#taken")).to_contain_text("1 rows, page 1")
    expect(page.locator("#taken tbody tr")).to_contain_text(seen["text"])


def _histograms_filter(page: Page) -> None:
    """A range of one and a pressed value narrow the tables, in each picture; then all is shown again."""
    page.get_by_label("Picture").select_option("tsne")
    page.get_by_label("Colours").select_option("cluster")
    page.get_by_label("Filter: Selected items").fill("")
    items = page.locator("[data-table=items]")
    expect(items).to_contain_text("60 rows")
    cluster = page.get_by_role("group", name="Cluster").get_by_role("button").first
    cluster.click()
    expect(cluster).to_have_attribute("aria-pressed", "true")
    expect(items).not_to_contain_text("60 rows")
    cluster.click()
    page.get_by_label("Relevance, from").fill("2")
    page.keyboard.press("Tab")
    expect(items.locator("tbody tr")).to_have_count(0)
    accessible(page)
    page.get_by_role("button", name="All", exact=True).click()
    expect(items).to_contain_text("60 rows")


AROUND = ((-3, -3), (3, -3), (3, 3), (-3, 3))  # pixels from an example


def _draw(page: Page, move: Callable[[float, float], None], corners: Sequence[tuple[float, float]]) -> None:
    move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        move(*corner)
    page.mouse.up()


def test_the_policy_stops_what_escaping_would_miss(browser: Browser, tenant: Api, job: Json) -> None:
    """The page of the report refuses scripts and requests that are not its own."""
    answer = tenant.call("GET", f"/v1/selections/{job['id']}/report", headers={"Accept": "text/html"})
    broken = answer.text.replace("</header>", "<script>window.stolen=1</script></header>")
    page = browser.new_page()
    refused = list[str]()
    page.on("console", lambda message: refused.append(message.text))
    page.set_content(broken)
    assert page.evaluate("window.stolen") is None
    page.evaluate("fetch('http://192.0.2.1/').catch(() => 0)")
    page.close()
    assert len([text for text in refused if "Content Security Policy" in text]) >= 2, refused


@pytest.mark.long
def test_every_page_at_both_widths(browser: Browser, tenant: Api, job: Json) -> None:
    waiting = running(tenant)
    with visit(browser, host(tenant)) as page:
        page.goto(f"{tenant.url}/ui")
        accessible_everywhere(page)
        sign_in(page, tenant)
        shown = {
            "/ui/selections": "waits",
            "/ui/selections?status=cancelled": "Nothing matches",
            "/ui/trainings": "No trainings yet",
            "/ui/loops": "No loops yet",
            f"/ui/selections/{waiting}": "waits for its turn",
            f"/ui/selections/{job['id']}": "nearer to the target",
            f"/ui/selections/{job['id']}/report": "60 of 303 candidates",
            f"/ui/compare?first={job['id']}&second={job['id']}": "60 (100.0 % of all)",
        }
        for path, text in shown.items():
            page.goto(f"{tenant.url}{path}")
            expect(page.get_by_text(text, exact=False).first).to_be_visible()
            accessible_everywhere(page)
            assert page.evaluate("window.stolen") is None


def test_a_job_is_followed_and_cancelled(page: Page, tenant: Api) -> None:
    waiting = running(tenant)
    page.goto(f"{tenant.url}/ui/selections/{waiting}")
    with tenant.database.transaction() as session:  # somebody else cancels: the open page hears of it
        jobs.request_cancel(session, tenant.tenant_id, waiting, JobKind.SELECTION)
    expect(page.locator(".state .status")).to_have_text("cancelled")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    page.goto(f"{tenant.url}/ui/selections/{running(tenant)}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".state .status")).to_have_text("cancelled")
    assert tenant.get("/v1/audit_events")["data"][0]["path"].endswith("/cancel")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def cookie(api: Api) -> str:
    """What the browser keeps after signing in."""
    answer = httpx.post(
        f"{api.url}/ui/sign-in", data={"api_key": api.api_key}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert answer.status_code == 303
    found = answer.headers["set-cookie"]
    assert api.api_key not in found
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= {part.strip() for part in found.split(";")}
    return found.partition(";")[0]


def test_tenants_do_not_see_each_other(api: Api, tenant: Api, job: Json) -> None:
    kept = {"Cookie": cookie(another_tenant(api)), "Sec-Fetch-Site": "same-origin"}
    for path in ("", "/live", "/events", "/report"):
        answer = httpx.get(f"{api.url}/ui/selections/{job['id']}{path}", headers=kept)
        assert (answer.status_code, HOSTILE in answer.text) == (404, False), path
    answer = httpx.get(f"{api.url}/ui/compare?first={job['id']}&second={job['id']}", headers=kept)
    assert answer.status_code == 404
    assert job["id"] not in httpx.get(f"{api.url}/ui/selections", headers=kept).text


def test_forms_of_strangers_are_refused(tenant: Api) -> None:
    waiting, kept = running(tenant), cookie(tenant)
    url = f"{tenant.url}/ui/selections/{waiting}/cancel"
    for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        answer = httpx.post(url, headers={"Cookie": kept, **headers})
        assert answer.status_code == 403
    answer = httpx.post(url, headers={"Cookie": kept, "Sec-Fetch-Site": "same-origin"}, data={"token": "x"})
    assert (answer.status_code, "another session" in answer.text) == (403, True)
    refused = tenant.get("/v1/audit_events?limit=1")["data"][0]
    assert (refused["path"], refused["status"]) == (f"/ui/selections/{waiting}/cancel", 403)
    assert tenant.get(f"/v1/selections/{waiting}")["status"] == "queued"


def test_odd_filters_and_addresses_are_no_failures(tenant: Api) -> None:
    kept = {"Cookie": cookie(tenant)}
    for path, status in (
        ("selections?name=%00", 422),
        ("selections?name=%ED%A0%80", 200),
        ("selections?status=%00", 422),
        ("selections?after=%00", 422),
        ("compare?first=%00&second=%00", 404),
        ("selections/%00", 404),
        ("loops/%00/report", 404),
        ("", 200),
    ):
        assert httpx.get(f"{tenant.url}/ui/{path}", headers=kept).status_code == status, path


def test_a_session_ends_with_its_key(tenant: Api) -> None:
    made = tenant.made("/v1/api_keys", {"name": "short", "scopes": ["select:read"]})
    reader = Api(tenant.url, made["secret"], tenant.settings, tenant.database, tenant.tenant_id)
    kept = {"Cookie": cookie(reader)}
    url = f"{tenant.url}/ui/selections"
    assert httpx.get(url, headers=kept).status_code == 200
    assert httpx.get(url, headers={"Cookie": f"{kept['Cookie'][:-2]}xx"}).headers["location"] == "/ui/sign-in"
    assert tenant.call("DELETE", f"/v1/api_keys/{made['id']}").status_code == 200
    assert httpx.get(url, headers=kept).status_code == 303


@pytest.mark.long
def test_the_reference_shows_every_operation(browser: Browser, api: Api, tmp_path: Path) -> None:
    with (
        serve(api.settings.database_url, tmp_path, show_docs=True) as shown,
        visit(browser, host(shown)) as page,
    ):
        page.goto(f"{shown.url}/docs")
        page.locator("html[data-ready]").wait_for(timeout=120_000)  # a document of a megabyte
        listed = page.locator("[data-section-id*='/operation/']")
        names = listed.evaluate_all("all => all.map((one) => one.dataset.sectionId.split('/operation/')[1])")
        document = json.loads(write_openapi.FILE.read_text())
        assert {found["operationId"] for _, _, found in operations(document)} <= set(names)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
