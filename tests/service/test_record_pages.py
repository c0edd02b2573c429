"""Lists of a selection's records in a real browser: what stands beside a row, filters of several columns."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.live import Api, Json, another_tenant
from tests.service.browsing import accessible, visit
from tests.service.browsing import browser as browser
from tests.service.reported import reported
from tests.service.test_pages import host, sign_in


@pytest.fixture(scope="module")
def tenant(api: Api) -> Api:
    return another_tenant(api)


@pytest.fixture(scope="module")
def job(tenant: Api) -> Json:
    return reported(tenant, name="Sums", wide=True)


@pytest.fixture(scope="module")
def page(browser: Browser, tenant: Api) -> Iterator[Page]:
    with visit(browser, host(tenant)) as page:
        sign_in(page, tenant)
        yield page


def test_left_out_rows_stand_beside_what_was_selected_and_near_copies_are_marked(
    page: Page, tenant: Api, job: Json
) -> None:
    own = f"{tenant.url}/ui/selections/{job['id']}"
    chosen = {item["id"]: item["rank"] for item in tenant.get(f"/v1/selections/{job['id']}/items")["data"]}
    copies = [f"c{n}" for n in (7, 9, 11, 12, 13, 14)]
    out = next(name for name in copies if name not in chosen)
    rank = tenant.get(f"/v1/selections/{job['id']}/candidates/{out}")["nearest_item"]["rank"]
    page.goto(f"{own}/records?show=left_out&search={out[1:]} %2B {out[1:]}?")
    row = page.locator(".records > li").filter(has_text=f"· {out}")
    expect(row).to_contain_text("One of 7 near-copies:")
    alike = row.get_by_role("link", name="Most similar that was selected")
    expect(alike).to_contain_text(f"rank {rank}")
    accessible(page)
    row.get_by_role("link", name="the first of them").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Why")
    page.goto(f"{own}/candidates/{out}")
    beside = page.get_by_role("region", name="Beside it")
    expect(beside).to_contain_text(f"The most similar one that was selected, rank {rank}")
    page.goto(f"{own}/records?show=left_out&search={out[1:]} %2B {out[1:]}?")
    alike.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Why this one")


def test_several_columns_filter_at_once_and_go_along_to_the_map(page: Page, tenant: Api, job: Json) -> None:
    page.goto(f"{tenant.url}/ui/selections/{job['id']}/records")
    for column, value in (("source", "web"), ("lang", "de")):
        page.get_by_label("Column", exact=True).fill(column)
        page.get_by_label("is", exact=True).fill(value)
        page.get_by_role("button", name="Filter").click()
    chips = page.get_by_role("list", name="Filters in force").get_by_role("listitem")
    expect(chips).to_have_count(2)
    items = tenant.get(f"/v1/selections/{job['id']}/items?extra.source=web&extra.lang=de")["data"]
    expect(page.locator(".records > li")).to_have_count(min(20, len(items)))
    page.set_viewport_size({"width": 360, "height": 900})
    accessible(page)
    page.get_by_role("link", name="Left out").click()
    expect(chips).to_have_count(2)  # other records, the same filter
    page.get_by_role("link", name="These on the map").click()
    expect(page.locator("html")).to_have_attribute("data-ready", "yes")
    expect(chips).to_have_count(2)
    expect(page.locator("[data-table=items]")).to_contain_text(f"{len(items)} rows")
    accessible(page)
    again = page.url
    page.get_by_role("button", name="Remove the filter source web").press("Enter")
    expect(chips).to_have_count(1)
    expect(page.get_by_role("button", name="Remove the filter lang de")).to_be_focused()
    assert page.url.endswith("#extra.lang=de")
    page.goto("about:blank")
    page.goto(again)
    expect(chips).to_have_count(2)
    expect(page.locator("[data-table=items]")).to_contain_text(f"{len(items)} rows")
    page.goto("about:blank")
    page.goto(again.split("#")[0] + "#extra.source=none&extra.day=4&relevance=0.9..")
    expect(page.get_by_role("status").filter(has_text="does not tell apart")).to_contain_text(
        "source none, day 4"
    )
    expect(chips).to_have_count(1)
