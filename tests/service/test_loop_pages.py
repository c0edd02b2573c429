"""Pages of loops, trainings and evaluations in a real browser: what is shown of each, live."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from evoselect.spec.training import EvaluationSpec
from store.jobs import lifecycle as jobs
from store.jobs import submissions
from store.jobs.claims import Claim
from store.jobs.requests import EvaluationWork
from store.loops import steps as loop_steps
from store.tables.states import JobStatus
from tests.live import Api, Json, another_tenant, question
from tests.service.browsing import WIDTHS, accessible, visit
from tests.service.browsing import browser as browser
from tests.service.looping import fail, push, pushed_loop, tell, work
from tests.service.test_pages import cookie, host, sign_in


@pytest.fixture(scope="module")
def tenant(api: Api) -> Api:
    """A tenant of this file's own."""
    return another_tenant(api)


def healthy(claim: Claim) -> Json:
    """What a selection says of its round: a diversity that warns."""
    side = {
        "rows": 40, "vendi": 9.5, "diversity": 0.375, "coverage": 0.25, "distance": 0.75,
        "length_ratio": None, "opening_share": 0.125,
    }  # fmt: skip
    health = {"candidates": side, "selected": {**side, "diversity": 1.0}}
    return {"health": {**health, "target_rows": 40, "target_opening_share": 0.125}}


@pytest.fixture(scope="module")
def loop(tenant: Api) -> str:
    """Two rounds, over."""
    stop = {"patience": 2, "min_gain": 0.01, "seconds": 7200}
    found = pushed_loop(tenant, name="two rounds", rounds=2, stop=stop)
    for number in (1, 2):
        work(tenant, transport=healthy)
        push(tenant, found, number)
    work(tenant, transport=healthy)
    assert tenant.get(f"/v1/loops/{found}")["status"] == "completed"
    return found


@pytest.fixture
def page(browser: Browser, tenant: Api) -> Iterator[Page]:
    """Signed in."""
    with visit(browser, host(tenant)) as page:
        sign_in(page, tenant)
        yield page


@pytest.mark.parametrize("width", WIDTHS)
def test_a_loop_that_is_over(browser: Browser, tenant: Api, loop: str, width: int) -> None:
    with visit(browser, host(tenant), width=width, dark=width == 360) as page:
        sign_in(page, tenant)
        page.goto(f"{tenant.url}/ui/loops/{loop}")
        course = page.locator("#course")
        for text in (
            "2 of 2",
            "2 in a row without a gain above 0.01 nats",
            "than 2 h 0 min",
            "All rounds were run.",
        ):
            expect(course).to_contain_text(text)
        expect(page.locator("canvas")).to_have_count(2)
        page.get_by_text("Table of cross-entropy over the choices").click()
        table = page.get_by_role("region", name="Table of cross-entropy over the choices")
        lines = [
            row.all_inner_texts()
            for row in (row.get_by_role("cell") for row in table.get_by_role("row").all()[1:])
        ]
        assert lines == [
            ["0", "2 (1.5 to 2.5)", "2 (1.5 to 2.5)"],
            ["1", "1.75 (1.25 to 2.25)", "1.875 (1.375 to 2.375)"],
            ["2", "1.5 (1 to 2)", "1.75 (1.25 to 2.25)"],
        ]
        warned = page.get_by_role("list", name="Warnings")
        expect(warned).to_contain_text("Round 2, collapse: candidates are 0.38 times as diverse")
        expect(page.get_by_role("region", name="Health by round").get_by_role("row").nth(1)).to_have_text(
            "1, candidates400.3759.50.250.75—12.5 %"
        )
        second = page.locator("#round-2")
        expect(second).to_contain_text("gain 0.25 in choice cross entropy")
        expect(second).to_contain_text("2 candidates")
        accessible(page)
        second.get_by_role("list", name="drawn at random").get_by_role("link", name="train").click()
        expect(page.get_by_text("Step random.train of round 2")).to_be_visible()


def test_each_kind_shows_what_it_is_about(page: Page, tenant: Api, loop: str) -> None:
    page.goto(f"{tenant.url}/ui/loops")
    expect(page.get_by_role("link", name="two rounds")).to_contain_text("2 of 2 rounds")
    page.get_by_role("link", name="two rounds").click()
    own = page.locator("#round-1").get_by_role("list", name="Round 1, selected")
    training = own.get_by_role("link", name="train")
    href, evaluation = (
        training.get_attribute("href"),
        own.get_by_role("link", name="evaluate").get_attribute("href"),
    )
    training.click()
    expect(page.locator("#learns")).to_contain_text("two rounds")
    expect(page.locator("canvas")).to_have_count(1)
    page.get_by_text("Table of training loss").click()
    expect(page.get_by_role("region", name="Table of training loss").get_by_role("row").last).to_contain_text(
        "1.5"
    )
    expect(page.locator("#result")).to_contain_text("mdl_of_trn_")
    expect(page.locator("#result")).to_contain_text("320")
    accessible(page)
    page.goto(f"{tenant.url}{evaluation}")
    measured = page.get_by_role("region", name="Measures")
    expect(measured).to_contain_text("1.75 (1.25 to 2.25)")
    expect(measured).to_contain_text("0.6 (0.25 to 0.875)")
    expect(measured.get_by_text("NLL of the answer")).to_have_count(0)
    accessible(page)
    for noun, path in (("trainings", href), ("evaluations", evaluation)):
        page.goto(f"{tenant.url}/ui/{noun}")
        line = page.locator(f'a[href="{path}"]')
        expect(line).to_contain_text("completed")
        accessible(page)


def test_an_evaluation_on_named_tasks_shows_their_metrics(tenant: Api) -> None:
    spec = EvaluationSpec()
    asked = EvaluationWork(model="smollm2-135m-instruct", spec=spec, tasks=("arc_easy",), limit=7)
    told = {"n": 7, "metrics": {"acc,none": {"value": 0.5, "interval": [0.25, 0.75]}}}
    with tenant.database.transaction() as session:
        label = submissions.Label(name="by tasks")
        job = submissions.evaluation(session, tenant.tenant_id, asked, label).id
    work(tenant, until="evaluate")
    with tenant.database.transaction() as session:
        row = jobs.lock(session, job)
        row.result = {"n": 7, "tasks": {"arc_easy": told}, "artifacts": {}}
        jobs.transition(session, row, JobStatus.COMPLETED)
    text = httpx.get(f"{tenant.url}/ui/evaluations/{job}", headers={"Cookie": cookie(tenant)}).text
    for part in ("7 questions of arc_easy", "arc_easy: acc,none", "0.5 (0.25 to 0.75)"):
        assert part in text


def test_a_training_is_followed(page: Page, tenant: Api) -> None:
    pool = tenant.made("/v1/pools", {})["id"]
    tenant.made(f"/v1/pools/{pool}/batches", {"records": [question(number) for number in range(64)]})
    job = tenant.made("/v1/trainings", {"pool_id": pool, "name": "follow me"})["id"]
    page.goto(f"{tenant.url}/ui/trainings/{job}")
    expect(page.locator(f'#learns a[href="/ui/pools/{pool}"]')).to_have_count(1)
    work(tenant, until="train")
    tell(tenant, job, step=3, steps=8, loss=2.25, tokens_per_second=512.0, eta_seconds=75.0)
    expect(page.locator("#learns")).to_contain_text("3 of 8")
    expect(page.locator("#learns")).to_contain_text("1 min 15 s")
    page.get_by_text("Table of training loss").click()
    tell(tenant, job, step=5, steps=8, loss=2.125, tokens_per_second=512.0, eta_seconds=45.0)
    expect(page.get_by_role("region", name="Table of training loss").get_by_role("row").last).to_contain_text(
        "2.125"
    )
    expect(page.get_by_role("region", name="Workers")).to_contain_text("worker-1")
    tenant.made(f"/v1/trainings/{job}/cancel", {})


def test_a_loop_is_followed_paused_resumed_and_cancelled(page: Page, tenant: Api) -> None:
    loop = pushed_loop(tenant, name="goes on")
    page.goto(f"{tenant.url}/ui/loops/{loop}")
    expect(page.get_by_text("No round has begun.")).to_be_visible()
    accessible(page)
    work(tenant)
    expect(page.get_by_text("Round 1 waits for candidates")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".state .status")).to_have_text("paused")
    expect(page.get_by_text("nothing further is begun")).to_be_visible()
    accessible(page)
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".state .status")).to_have_text("running")
    push(tenant, loop, 1)
    work(tenant, until="features")
    expect(page.locator("#round-1").get_by_role("list", name="Round 1, selected")).to_contain_text("running")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#round-1")).to_contain_text("cancel")
    with tenant.database.transaction() as session:
        assert loop_steps.abandoned(session, loop) == []  # the button takes the steps with it


def test_a_generator_at_work(page: Page, tenant: Api) -> None:
    pool = tenant.made("/v1/pools", {})["id"]
    tenant.made(f"/v1/pools/{pool}/batches", {"records": [question(number) for number in range(40, 46)]})
    loop = pushed_loop(tenant, generator={"kind": "pool", "pool_id": pool, "size": 2})
    work(tenant, until="generate")
    page.goto(f"{tenant.url}/ui/loops/{loop}")
    expect(page.locator("#round-1")).to_contain_text("generate running")
    expect(page.get_by_role("region", name="Workers")).to_contain_text("generate 1")
    accessible(page)
    tenant.made(f"/v1/loops/{loop}/cancel", {})


def test_a_loop_that_failed_names_the_step(page: Page, tenant: Api) -> None:
    loop = pushed_loop(tenant, name="fails")
    work(tenant)
    push(tenant, loop, 1)
    fail(tenant, "features", "no_usable_target", "nothing to learn from")
    work(tenant)
    page.goto(f"{tenant.url}/ui/loops/{loop}")
    expect(page.get_by_role("alert")).to_contain_text("nothing to learn from")
    expect(page.locator("#round-1").get_by_text("failed")).to_be_visible()
    expect(page.locator("#round-1")).to_contain_text("not run")
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    accessible(page)
    page.locator("#round-1").get_by_role("link", name="select").click()
    expect(page.get_by_text("Step select of round 1")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("no_usable_target")


def test_who_may_change_a_loop(api: Api, tenant: Api, loop: str) -> None:
    stranger = {"Cookie": cookie(another_tenant(api)), "Sec-Fetch-Site": "same-origin"}
    for path in ("", "/live", "/events"):
        assert httpx.get(f"{api.url}/ui/loops/{loop}{path}", headers=stranger).status_code == 404
    assert httpx.get(f"{api.url}/ui/loops/loop_{'0' * 26}", headers=stranger).status_code == 404
    made = tenant.made("/v1/api_keys", {"name": "looks", "scopes": ["select:read"]})
    reader = Api(tenant.url, made["secret"], tenant.settings, tenant.database, tenant.tenant_id)
    kept, going = cookie(reader), pushed_loop(tenant)
    for way in ("pause", "resume", "cancel"):
        url = f"{tenant.url}/ui/loops/{going}/{way}"
        forged = httpx.post(
            url, headers={"Cookie": kept, "Sec-Fetch-Site": "same-origin"}, data={"token": "x"}
        )
        assert (forged.status_code, "another session" in forged.text) == (403, True)
        page = httpx.get(f"{tenant.url}/ui/loops/{going}", headers={"Cookie": kept}).text
        token = page.partition('name="token" value="')[2].partition('"')[0]
        looks = httpx.post(
            url, headers={"Cookie": kept, "Sec-Fetch-Site": "same-origin"}, data={"token": token}
        )
        assert (looks.status_code, "which only looks" in looks.text) == (403, True)
    assert tenant.get(f"/v1/loops/{going}")["status"] == "queued"
