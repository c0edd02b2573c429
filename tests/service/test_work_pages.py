"""The pages to work in, in a real browser: from two files to a selection, its records, data and keys."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.live import Api, Json, another_tenant, eventually, question
from tests.service.browsing import accessible, accessible_everywhere, visit
from tests.service.browsing import browser as browser
from tests.service.comparing import commit, started, work
from tests.service.reported import HOSTILE, reported
from tests.service.test_pages import host, sign_in

MOST_CLICKS = 12  # from an empty install to the picked file


@pytest.fixture(scope="module")
def tenant(api: Api) -> Api:
    return another_tenant(api)


@pytest.fixture(scope="module")
def job(tenant: Api) -> Json:
    return reported(tenant, name="Sums")


@pytest.fixture(scope="module")
def window(browser: Browser, tenant: Api) -> Iterator[Page]:
    """Signed in once: a window of its own for each test would take half of the time of all."""
    with visit(browser, host(tenant), refused=True) as page:
        sign_in(page, tenant)
        yield page


@pytest.fixture
def page(window: Page, tenant: Api) -> Page:
    """At the start."""
    window.goto(f"{tenant.url}/ui")
    return window


def lines(path: Path, rows: list[Json]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def drop(page: Page, what: str) -> Locator:
    return page.locator(f"[data-intake={what}]")


def give(page: Page, what: str, file: Path) -> None:
    """What the drop of a file comes to: the same input takes both."""
    drop(page, what).locator("input[type=file]").set_input_files(file)


def test_from_nothing_to_a_started_selection(browser: Browser, api: Api, tmp_path: Path) -> None:
    """Each click and each chosen file counts; one more downloads the rows."""
    new = another_tenant(api)
    target = lines(tmp_path / "task.jsonl", [question(n) for n in range(10)])
    pool = lines(tmp_path / "pool.jsonl", [question(100 + n % 25, source="web") for n in range(30)])
    with visit(browser, host(new)) as page:
        sign_in(page, new)  # one click
        expect(page.get_by_role("heading", name="Choose what to train on")).to_be_visible()
        accessible(page)
        page.get_by_role("link", name="New selection").first.click()
        give(page, "targets", target)
        expect(drop(page, "targets").locator("[data-card]")).to_contain_text("8 examples")
        give(page, "pools", pool)
        card = drop(page, "pools").locator("[data-card]")
        expect(card).to_contain_text("prompt completion (100.0 %)")
        expect(card).to_contain_text("30 received, 5 repeat others")
        expect(card).to_contain_text("source")
        expect(page.locator("#estimate")).to_contain_text("4 candidates")
        assert "target_id=tgt_" in page.url
        accessible(page)
        page.reload()  # what was sent is in the address
        expect(drop(page, "pools").locator("[data-card]")).to_contain_text("25 candidates")
        page.get_by_role("button", name="Start the selection").click()
        expect(page.locator(".state .status")).to_have_text("queued")
        clicks = 1 + 1 + 2 + 1 + 1
        assert clicks <= MOST_CLICKS
        made = new.get("/v1/selections")["data"][0]["request"]
        assert (made["k"], made["spec"]["method"]) == (4, "capacity")


def test_rows_that_are_not_recognised_are_mapped(page: Page, tmp_path: Path) -> None:
    page.goto(f"{page.url}/selections/new")
    file = lines(tmp_path / "odd.jsonl", [{"ask": f"{n}?", "reply": "yes"} for n in range(6)])
    give(page, "targets", file)
    zone = drop(page, "targets")
    expect(zone.locator("[data-status]")).to_contain_text("shapes")
    accessible(page)
    zone.get_by_label("Column with prompt").fill("ask")
    zone.get_by_label("Column with completion").fill("nothing")
    zone.get_by_role("button", name="Read again", exact=True).click()
    expect(zone.locator("[data-faults]")).to_contain_text("nothing")
    expect(zone.get_by_label("Column with prompt")).to_have_value("ask")  # nothing typed is lost
    assert zone.locator("datalist option").evaluate_all("all => all.map((one) => one.value)") == [
        "ask",
        "reply",
    ]
    zone.get_by_label("Column with completion").fill("reply")
    zone.get_by_role("button", name="Read again", exact=True).click()
    expect(zone.locator("[data-card]")).to_contain_text("5 examples")


def test_bad_rows_are_left_out_by_a_click(page: Page, tenant: Api, tmp_path: Path) -> None:
    page.goto(f"{page.url}/selections/new")
    before = len(tenant.get("/v1/pools")["data"])
    give(page, "pools", lines(tmp_path / "mixed.jsonl", [question(1), {"prompt": 3}, question(2)]))
    zone = drop(page, "pools")
    expect(zone.locator("[data-faults] li")).to_have_count(1)
    assert len(tenant.get("/v1/pools")["data"]) == before  # a refused pool leaves nothing behind
    expect(zone.get_by_label("Format")).to_have_value("auto")
    zone.get_by_role("button", name="leaving bad rows out").click()
    expect(zone.locator("[data-card]")).to_contain_text("3 received, 1 rejected")


def test_a_fault_stands_beside_its_field(page: Page, tenant: Api, job: Json) -> None:
    asked = job["request"]
    page.goto(f"{page.url}/selections/new?target_id={asked['target_id']}&pool_id={asked['pool_id']}")
    size = page.get_by_label("Choose", exact=True)
    size.fill("0")
    page.get_by_label("Unit").select_option("k")
    page.get_by_label("Name", exact=True).fill("kept")
    page.get_by_role("button", name="Start the selection").click()
    expect(size).to_have_attribute("aria-invalid", "true")
    described = size.get_attribute("aria-describedby")
    expect(page.locator(f"#{described}")).to_contain_text("1")
    expect(page.get_by_label("Name", exact=True)).to_have_value("kept")
    accessible(page)


def test_every_page_of_work(browser: Browser, tenant: Api, job: Json) -> None:
    asked, own = job["request"], f"/ui/selections/{job['id']}"
    tenant.call(
        "POST", "/v1/files?name=rows.jsonl", content=b"{}", headers={"Content-Type": "application/x-ndjson"}
    )
    file = tenant.get("/v1/files")["data"][0]["id"]
    shown = {
        "/ui": "Newest jobs",
        "/ui/targets": "20 examples",
        f"/ui/targets/{asked['target_id']}": "1 to 20 of 20",
        "/ui/pools": "300 candidates",
        f"/ui/pools/{asked['pool_id']}": "1 to 20 of 300",
        f"/ui/pools/{asked['pool_id']}?search=7 %2B 7": "found",
        "/ui/files": "rows.jsonl",
        f"/ui/files/{file}": "How it begins",
        "/ui/models": "No model was trained yet",
        "/ui/keys": "New key",
        "/ui/trainings/new": "Start the training",
        "/ui/evaluations/new": "Start the evaluation",
        f"/ui/loops/new?selection_id={job['id']}": "Start the loop",
        f"/ui/comparisons/new?selection_id={job['id']}": "Start the comparison",
        own: "60 of 303 candidates were chosen",
        f"{own}/records": "1 to 20 of 60",
        f"{own}/records?show=left_out": "Nearest target",
        f"{own}/records?show=unusable": "There is none",
        f"{own}/records?show=target": "1 to 20 of 20",
    }
    with visit(browser, host(tenant)) as page:
        sign_in(page, tenant)
        for path, text in shown.items():
            page.goto(f"{tenant.url}{path}")
            expect(page.get_by_text(text, exact=False).first).to_be_visible()
            accessible_everywhere(page)
            assert page.evaluate("window.stolen") is None
            assert page.evaluate("document.documentElement.scrollHeight") < 10_000, path


def test_records_are_found_and_say_why(page: Page, tenant: Api, job: Json) -> None:
    page.goto(f"{tenant.url}/ui/selections/{job['id']}/records")
    first = page.locator(".records > li").first
    expect(first).to_contain_text(HOSTILE)
    expect(first.locator(".near").first).to_contain_text("Serves")
    page.get_by_label("Score from").fill("high")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("alert")).to_contain_text("high is no number")
    page.get_by_role("link", name="Left out").click()
    chosen = {item["id"] for item in tenant.get(f"/v1/selections/{job['id']}/items")["data"]}
    other = next(n for n in range(1, 300) if f"c{n}" not in chosen)
    page.get_by_label("Search").fill(f"{other} + {other}?")
    page.get_by_role("button", name="Filter").click()
    found = page.locator(".records > li").filter(has_text=f"c{other}")
    expect(found.last).to_contain_text("Nearest target")
    assert "show=left_out&search=" in page.url
    with page.expect_download() as download:
        page.get_by_role("link", name="Export what is shown").click()
    rows = [json.loads(row) for row in Path(download.value.path()).read_text().splitlines()]
    assert f"c{other}" in {row["id"] for row in rows}
    assert {row["_evoselect"]["status"] for row in rows} == {"left_out"}
    found.last.get_by_role("link", name="Why not this one").click()
    expect(page.get_by_role("heading", name="Why not this one")).to_be_visible()
    expect(page.get_by_text("cosine to the nearest target example")).to_be_visible()
    accessible(page)


def test_a_candidate_stands_beside_what_it_nearly_repeats(page: Page, tenant: Api, job: Json) -> None:
    place = f"{tenant.url}/ui/selections/{job['id']}/candidates"
    page.goto(f"{place}/c9")
    beside = page.get_by_role("region", name="Beside it")
    expect(beside).to_contain_text("The first of 7 near-copies")
    expect(beside.locator("mark").first).to_be_visible()
    page.goto(f"{place}/c4")
    expect(beside).to_contain_text("An example that it nearly repeats")
    assert page.evaluate("window.stolen") is None


def test_the_rows_come_down_as_they_came(page: Page, tenant: Api, job: Json) -> None:
    page.goto(f"{tenant.url}/ui/selections/{job['id']}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the rows").click()
    answer = tenant.call("GET", f"/v1/selections/{job['id']}/items?format=original")
    assert Path(download.value.path()).read_text() == answer.text
    assert download.value.suggested_filename == f"selected-{job['id']}.jsonl"


def test_a_pool_is_renamed_and_while_in_use_not_deleted(page: Page, tenant: Api) -> None:
    body = {"target": [question(9)], "candidates": [question(n) for n in range(3)], "k": 1}
    waiting = tenant.made("/v1/selections", body)
    pool = waiting["request"]["pool_id"]
    page.goto(f"{tenant.url}/ui/pools/{pool}")
    for name, shown in (("Night run", "Night run"), ("", "Pool of ")):
        page.get_by_text("Rename", exact=True).click()
        page.get_by_label("New name").fill(name)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(shown)
    page.get_by_text("Delete this pool").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("alert")).to_contain_text(f"selection {waiting['id']} needs pool")
    tenant.made(f"/v1/selections/{waiting['id']}/cancel", {})
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("heading", name="Pools", exact=True)).to_be_visible()
    assert tenant.call("GET", f"/v1/pools/{pool}").status_code == 404
    page.goto(f"{tenant.url}/ui/selections/{waiting['id']}")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_contain_text(pool)


def test_a_key_is_made_shown_once_and_ended(page: Page, tenant: Api) -> None:
    page.goto(f"{tenant.url}/ui/keys")
    page.get_by_label("Name", exact=True).fill("pipeline")
    page.get_by_role("button", name="Make the key").click()
    secret = page.locator("[data-secret] output")
    expect(secret).to_contain_text("evs_")
    made = Api(tenant.url, secret.inner_text(), tenant.settings, tenant.database, tenant.tenant_id)
    assert made.call("GET", "/v1/pools").status_code == 200
    accessible(page)
    page.get_by_role("link", name="I have it").click()
    line = page.locator("li", has_text="pipeline")
    expect(page.locator("main")).not_to_contain_text(made.api_key)
    line.get_by_text("End or replace").click()
    line.get_by_role("button", name="End it").click()
    expect(page.locator("li", has_text="pipeline")).to_contain_text("ended")
    eventually(lambda: made.call("GET", "/v1/pools").status_code == 401, 2.0)  # checks of keys are remembered


def test_the_keyboard_alone_starts_a_selection(page: Page, tenant: Api, job: Json) -> None:
    asked = job["request"]
    page.goto(f"{tenant.url}/ui/selections/new?target_id={asked['target_id']}&pool_id={asked['pool_id']}")
    expect(page.locator("#estimate")).to_contain_text("candidates")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Start the selection":
            break
    page.keyboard.press("Enter")
    expect(page.locator(".state .status")).to_have_text("queued")


def test_methods_are_compared_from_a_form(page: Page, tenant: Api, job: Json) -> None:
    rows = [question(n) for n in range(20)]
    target = tenant.made("/v1/targets", {"records": rows, "held_out": {"ratio": 0.5}})["id"]
    page.goto(f"{tenant.url}/ui/comparisons/new?selection_id={job['id']}")
    page.locator("select[name=target_id]").select_option(target)
    for method in page.get_by_role("checkbox").all():
        if method.get_attribute("value") not in ("random", "capacity"):
            method.uncheck()
    page.get_by_label("Each method selects").fill("5")
    page.get_by_role("button", name="Start the comparison").click()
    expect(page.locator(".state .status")).to_have_text("queued")
    asked = tenant.get("/v1/comparisons")["data"][0]["request"]
    assert asked["target_id"] == target
    assert {arm["name"] for arm in asked["spec"]["arms"]} == {"random", "capacity"}


def test_a_loop_is_started_with_what_its_choices_need(page: Page, tenant: Api, job: Json) -> None:
    rows = [question(n) for n in range(20)]
    target = tenant.made("/v1/targets", {"records": rows, "held_out": {"ratio": 0.5}})["id"]
    page.goto(f"{tenant.url}/ui/loops/new?selection_id={job['id']}")
    page.locator("select[name=target_id]").select_option(target)
    page.get_by_label("Candidates come from").select_option("openai")
    expect(page.locator("[name='generator.pool_id']")).to_be_hidden()
    page.locator("[name='generator.url']").fill("https://example.com/v1")
    page.locator("[name='generator.model']").fill("m")
    page.get_by_label("Prompts show").select_option("failures")
    page.get_by_label("Candidates of a round").fill("20")
    page.get_by_text("Checking answers").click()
    page.get_by_label("Checked by").select_option("json_schema")
    expect(page.locator("[name='verifier.url']")).to_be_hidden()
    schema = page.get_by_role("textbox", name="JSON schema")
    schema.fill('{"type": "text"}')
    page.get_by_text("Real rows and").click()
    page.get_by_label("Share of the target's own rows").fill("0.25")
    page.get_by_label("Must not be forgotten").select_option(job["request"]["target_id"])
    page.get_by_label("End when its loss").fill("0.1")
    accessible_everywhere(page)
    page.get_by_role("button", name="Start the loop").click()
    expect(schema).to_have_attribute("aria-invalid", "true")
    schema.fill('{"type": "integer"}')
    page.get_by_role("button", name="Start the loop").click()
    expect(page.locator(".state .status")).to_have_text("queued")
    spec = tenant.get("/v1/loops")["data"][0]["request"]["spec"]
    assert (spec["generator"]["prompts_from"], spec["generator"]["size"]) == ("failures", 20)
    assert spec["verifier"]["schema"] == {"type": "integer"}
    assert (spec["anchor_share"], spec["stop"]["guard_rise"]) == (0.25, 0.1)
    assert spec["guard_target_id"] == job["request"]["target_id"]


def test_the_table_of_a_comparison_grows_while_it_is_looked_at(browser: Browser, api: Api) -> None:
    own = another_tenant(api)  # what others of this file left waiting is not its work
    comparison = started(own, seeds=2, name=HOSTILE)
    with visit(browser, host(own)) as page:
        sign_in(page, own)
        page.goto(f"{own.url}/ui/comparisons/{comparison}")
        verdict = page.locator("#verdict")
        expect(verdict).to_contain_text("Nothing is measured yet")
        claim = work(own, until="judge")
        assert claim is not None
        commit(own, claim)
        expect(verdict).to_contain_text("Verdict so far")
        first = page.get_by_role("region", name="Arms").get_by_role("row").nth(1)
        expect(first).to_contain_text("capacity")
        work(own)
        expect(page.locator("#live[data-events]")).to_have_count(0)  # the page of a comparison that is over
        expect(verdict).to_contain_text("Use capacity (gain")
        expect(verdict).to_contain_text("5 evaluations on 40 examples")
        expect(first.get_by_role("img")).to_be_visible()  # its interval as a bar
        expect(first.get_by_role("cell").nth(0)).to_have_text("2")
        accessible_everywhere(page)
        page.goto(f"{own.url}/ui/comparisons/{comparison}/report")
        expect(page.get_by_text("Use capacity (gain")).to_be_visible()
        expect(page.get_by_role("region", name="Steps").get_by_role("row")).to_have_count(1 + 4 + 5 + 5)
        accessible_everywhere(page)
        assert page.evaluate("window.stolen") is None
