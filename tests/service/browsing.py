"""A real Chromium, and what it asserts of every page.

No error on the console, no request to the outside, no serious finding of axe-core, nothing wider than the
window.
"""

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

REFUSAL = re.compile("Failed to load resource: the server responded with a status of 4")
WIDTHS = (360, 1280)
HEIGHT = 900
FITTING_SECONDS = 10.0
AXE = Axe()
SERIOUS = """(found) => found.violations.filter((one) => ["serious", "critical"].includes(one.impact))
  .map((one) => [one.id, one.nodes[0].html])"""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser with a fresh profile; skipped where the system has none.

    It ends with the file that asked for it: while it lives its event loop holds the thread, and no other test
    could run one.
    """
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on this machine: install it to test the pages (`make browser` as root)")
    expect.set_options(timeout=30_000)  # other suites may keep the machine busy
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@contextmanager
def visit(
    browser: Browser, host: str, *, width: int = 1280, dark: bool = False, refused: bool = False
) -> Iterator[Page]:
    """A window of its own cookies; `host` is whom it may talk to, and nobody else.

    With `refused` the service may refuse what a script of the page asks for: the browser tells the console.
    """
    scheme: Literal["dark", "light"] = "dark" if dark else "light"
    context = browser.new_context(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme)
    page, faults = context.new_page(), list[str]()
    page.on("console", lambda message: _heed(message, refused, faults))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: _check(request.url, host, faults))
    try:
        yield page
    finally:
        context.close()
    assert faults == [], faults


def _heed(message: ConsoleMessage, refused: bool, faults: list[str]) -> None:
    if message.type == "error" and not (refused and REFUSAL.match(message.text)):
        faults.append(message.text)


def _check(url: str, host: str, faults: list[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("data", "blob", "file") and parts.netloc != host:
        faults.append(f"request to {url}")


def accessible(page: Page) -> None:
    """Fits its window, and axe-core finds nothing serious."""
    _fits(page)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.axe_script)
    found = page.evaluate(f"axe.run({{resultTypes: ['violations'], xpath: false}}).then({SERIOUS})")
    assert found == [], page.url


def _fits(page: Page) -> None:
    """In the end: charts follow a new width a moment later."""
    ends = time.monotonic() + FITTING_SECONDS
    while (over := page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
        assert time.monotonic() < ends, f"{page.url} is {over} pixels wider than its window"
        page.wait_for_timeout(50)


def accessible_everywhere(page: Page) -> None:
    """At both widths, the narrow one in dark colours; the page is as it was before after that."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        page.emulate_media(color_scheme="dark" if width == min(WIDTHS) else "light")
        accessible(page)
