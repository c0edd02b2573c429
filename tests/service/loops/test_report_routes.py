"""The report of a loop: rounds with intervals, arms compared pair by pair, maps on the axes of round 1."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
import torch
from playwright.sync_api import Browser, expect

from evoselect.neighbours.both_ways import nearest_both_ways
from evoselect.select import select
from evoselect.spec.selection import SelectionSpec
from store.artifacts import Artifacts
from store.jobs.claims import Claim
from store.records.record import parse_record
from store.results import items as selected
from tests.live import Api, another_tenant, question
from tests.service.browsing import WIDTHS, accessible, visit
from tests.service.browsing import browser as browser
from tests.service.looping import push, pushed_loop, work
from tests.service.reported import HOSTILE, Json, features
from tests.service.test_pages import host, sign_in
from workers.context import Context
from workers.process.work import Work
from workers.selections import axes as round_axes
from workers.selections import report as selection_report
from workers.selections.items import item

N, M, K = 120, 10, 20


@pytest.fixture(scope="module")
def tenant(api: Api) -> Api:
    """A tenant of this file's own."""
    return another_tenant(api)


def reporting(api: Api) -> Callable[[Claim], Json]:
    """What a select worker does after it has selected, with features that move from round to round."""
    artifacts = Artifacts(api.settings.artifacts_url)
    context = Context(api.settings, api.database, artifacts)
    sent, wanted = ([parse_record(question(base + at)) for at in range(n)] for base, n in ((0, N), (500, M)))
    moved = iter(range(9))

    def result(claim: Claim) -> Json:
        candidates, targets = features(N, M)
        turned = torch.roll(candidates, next(moved), dims=1)
        chosen = select(turned, targets, K, SelectionSpec(), seed=0)
        axes = round_axes.of_loop(Work(claim, context, lambda rows: None), turned.shape[1])
        near = nearest_both_ways(turned, targets)
        stored = selection_report.store(
            artifacts,
            "t",
            seed=0,
            sent=sent,
            wanted=wanted,
            candidates=turned,
            targets=targets,
            selection=chosen,
            near=near,
            axes=axes,
        )
        diagnostics = orjson.loads(orjson.dumps(chosen.diagnostics))
        rows = [
            item(reason, candidates=sent, targets=wanted, tokens=[0] * len(sent), flags={})
            for reason in chosen.items()
        ]
        items = selected.put(artifacts, "t/items", rows)
        counts = {"pool": N, "usable": N, "left_out": {}, "target": M, "target_statuses": {"ok": M}}
        return {"counts": counts, "diagnostics": diagnostics, "artifacts": {"items": items, **stored}}

    return result


@pytest.fixture(scope="module")
def loop(tenant: Api) -> str:
    """Two rounds with real maps, over."""
    found, transport = pushed_loop(tenant, name=HOSTILE, rounds=2), reporting(tenant)
    for number in (1, 2):
        work(tenant, transport=transport)
        push(tenant, found, number)
    work(tenant, transport=transport)
    return found


def test_rounds_pairs_and_maps(tenant: Api, loop: str) -> None:
    report = tenant.get(f"/v1/loops/{loop}/report")
    assert (report["object"], report["stop_reason"], report["best_round"]) == ("loop.report", "rounds", 2)
    first, second = report["rounds"]
    assert first["arms"]["selected"]["evaluation"]["intervals"]["accuracy"] == [0.25, 0.875]
    assert second["paired"]["difference"] == pytest.approx(-0.25)
    assert second["paired"]["interval"] == pytest.approx([-0.25, -0.25])
    chosen = first["arms"]["selected"]["selection_id"]
    assert first["map"]["axes"] is None
    assert second["map"]["axes"] == {"selection_id": chosen, "round": 1}
    targets = [one["map"]["points"]["target"] for one in (first, second)]
    assert targets[0] == targets[1]  # these have not moved, so their places are the same
    assert first["map"]["points"]["pool"]["x"] != second["map"]["points"]["pool"]["x"]
    assert all(0 < one["map"]["trustworthiness"] <= 1 for one in (first, second))
    path = f"/v1/selections/{second['arms']['random']['selection_id']}/report"
    drawn, page = tenant.get(path), tenant.call("GET", path, headers={"Accept": "text/html"}).text
    assert "Drawn on the axes of round 1 of the same loop" in page
    assert drawn["map"]["axes"]["selection_id"] == chosen
    assert drawn["selection"]["metadata"]["step"] == "random.select"


def test_a_loop_of_which_nothing_has_run_has_a_report(tenant: Api) -> None:
    report = tenant.get(f"/v1/loops/{pushed_loop(tenant)}/report")
    assert (report["rounds"], report["frame"], report["base"]) == ([], None, {})


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_is_complete_and_harmless(
    browser: Browser, tenant: Api, loop: str, tmp_path: Path, width: int
) -> None:
    file = tmp_path / "report.html"
    answer = tenant.call("GET", f"/v1/loops/{loop}/report", headers={"Accept": "text/html"})
    file.write_text(answer.text)
    with visit(browser, "nobody", width=width, dark=width == 360) as page:
        page.goto(file.as_uri())
        expect(page.locator("html")).to_have_attribute("data-ready", "yes")
        assert page.locator("canvas").count() == 4  # two measures, two maps
        expect(page.get_by_text("2 of 2 rounds, completed, ended by rounds")).to_be_visible()
        expect(page.get_by_role("region", name="Selected against random by round")).to_contain_text(
            "-0.25 (-0.25 to -0.25)"
        )
        page.get_by_text("Table of maps").click()
        expect(page.get_by_role("region", name="Maps by round").get_by_role("row").last).to_contain_text(
            "of round 1"
        )
        accessible(page)
        assert page.evaluate("window.stolen") is None


def test_the_page_of_the_loop_leads_to_it(browser: Browser, tenant: Api, loop: str) -> None:
    with visit(browser, host(tenant)) as page:
        sign_in(page, tenant)
        page.goto(f"{tenant.url}/ui/loops/{loop}")
        page.get_by_role("link", name="Report").click()
        expect(page.locator("html")).to_have_attribute("data-ready", "yes")
        expect(page.get_by_role("heading", name="Selected against random")).to_be_visible()
