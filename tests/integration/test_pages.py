"""The whole job by a browser, with real workers: from two files to a selection that was trained on.

Screenshots lie in build/pages afterwards: look at them after a change of the pages.
"""

import json
import re
from itertools import product
from pathlib import Path
from typing import Literal
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.conftest import Stack
from tests.live import Json, question
from tests.service.browsing import HEIGHT, WIDTHS, accessible, visit
from tests.service.browsing import browser as browser

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(600)]
SHOTS = Path(__file__).parents[2] / "build" / "pages"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("dark", "light")  # the last is how pages are left
SECONDS = 240_000.0  # milliseconds that a job may take on a busy machine
MOST_CLICKS = 12  # from an empty install to the picked file


class Hand:
    """Clicks, and counts them; a chosen file is one."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0

    def click(self, place: Locator) -> None:
        place.click()
        self.clicks += 1

    def give(self, what: str, file: Path) -> None:
        self.page.locator(f"[data-intake={what}] input[type=file]").set_input_files(file)
        self.clicks += 1
        expect(self.page.locator(f"[data-intake={what}].done")).to_be_visible()

    def button(self, name: str) -> None:
        self.click(self.page.get_by_role("button", name=name))

    def link(self, name: str) -> None:
        self.click(self.page.get_by_role("link", name=name).first)

    def shot(self, name: str) -> None:
        """At both widths in both schemes; the page is as it was before after that."""
        for width, scheme in product(WIDTHS, SCHEMES):
            self.page.set_viewport_size({"width": width, "height": HEIGHT})
            self.page.emulate_media(color_scheme=scheme)
            accessible(self.page)
            self.page.screenshot(path=SHOTS / f"{name}-{width}-{scheme}.png", full_page=True)

    def wait(self) -> None:
        """The job of this page ends well; its page loads itself anew."""
        expect(self.page.locator(".state .status")).to_have_text("completed", timeout=SECONDS)


def write(path: Path, rows: list[Json]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_from_nothing_to_a_compared_selection(browser: Browser, stack: Stack, tmp_path: Path) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    target = write(tmp_path / "task.jsonl", [question(n) for n in range(10)])
    rows = [question(100 + n, source="sums" if n % 2 else "web") for n in range(24)]
    pool = write(tmp_path / "pool.jsonl", rows)
    with visit(browser, stack.url.removeprefix("http://")) as page:
        hand = Hand(page)
        page.goto(f"{stack.url}/")
        page.get_by_label("API key").fill(stack.api_key)
        hand.button("Sign in")
        hand.link("New selection")
        hand.give("targets", target)
        hand.give("pools", pool)
        expect(page.locator("#estimate")).to_contain_text("4 candidates")
        hand.shot("1-new")
        hand.button("Start the selection")
        hand.wait()
        hand.shot("2-selection")
        _report(hand)
        with page.expect_download() as download:
            hand.link("Download the rows")
        picked = [json.loads(row) for row in Path(download.value.path()).read_text().splitlines()]
        assert len(picked) == 4
        assert all(row in rows for row in picked)
        assert hand.clicks <= MOST_CLICKS, hand.clicks
        _records(hand)
        _trained(hand)
        _measured(hand)


def _report(hand: Hand) -> None:
    """Its map in clusters by t-SNE, beside the page that it was opened from."""
    href = hand.page.get_by_role("link", name="Report").first.get_attribute("href")
    with hand.page.context.new_page() as page:
        page.goto(urljoin(hand.page.url, href or ""))
        expect(page.locator("html")).to_have_attribute("data-ready", "yes")
        page.get_by_label("Picture").select_option("tsne")
        page.get_by_label("Colours").select_option("cluster")
        Hand(page).shot("2-report")


def _records(hand: Hand) -> None:
    page = hand.page
    selection = page.url
    hand.link("Records")
    expect(page.locator(".records > li")).to_have_count(4)
    hand.link("Left out")
    expect(page.locator(".near").first).to_contain_text("Nearest target")
    hand.shot("3-left-out")
    hand.link("Why not this one")
    hand.shot("4-why-not")
    page.goto(selection)


def _trained(hand: Hand) -> None:
    hand.link("Train on these")
    hand.button("Start the training")
    hand.wait()
    hand.shot("5-training")
    hand.link("Evaluate against the model before")


def _measured(hand: Hand) -> None:
    page = hand.page
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(2)
    hand.shot("6-evaluate")
    hand.button("Start the evaluation")
    page.wait_for_url(re.compile("/ui/evaluations$"))
    for number in (1, 0):  # the list is newest first
        page.locator(".jobs a").nth(number).click()
        hand.wait()
        page.go_back()
    page.locator(".jobs a").first.click()
    others = page.get_by_role("region", name="Other models", exact=True)
    expect(others).to_contain_text("NLL of the answer")
    hand.shot("7-evaluation")
