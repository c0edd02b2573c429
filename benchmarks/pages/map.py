"""The map of a report with many points: the longest frame while it is read."""

import json
import re
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page

from benchmarks.report import rendered
from store.kit.json import Json

SMALL = (2_000, 100, 200)  # candidates, targets and k of the report whose map is filled
DATA = re.compile(r'(<script type="application/json" id="data">)(.*?)(</script>)', re.DOTALL)
WATCH = """() => {
  let last = performance.now();
  window.longest = 0;
  const tick = (now) => {
    window.longest = Math.max(window.longest, now - last);
    last = now;
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}"""
SETTLE = 300  # milliseconds without anything to do
STEPS = 8  # moves of the pointer along one line


def longest_frame(browser: Browser, folder: Path, points: int) -> float:
    """Milliseconds between two frames at most, over zoom, hover and lasso on a map of that many points."""
    file = folder / "report.html"
    file.write_text(DATA.sub(lambda found: f"{found[1]}{_filled(found[2], points)}{found[3]}", _page()))
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(file.as_uri())
    page.locator("html[data-ready]").wait_for()
    page.locator("#map .u-over").scroll_into_view_if_needed()
    page.evaluate(WATCH)
    page.wait_for_timeout(SETTLE)
    page.evaluate("window.longest = 0")
    _read(page)
    found = float(page.evaluate("window.longest"))
    page.close()
    return round(found, 1)


def _page() -> str:
    html, *_ = rendered(*SMALL)
    return html


def _filled(text: str, points: int) -> str:
    """The data of the page, with other candidates on its map: a cloud of 20 clusters."""
    data: Json = json.loads(text)
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(20, 2))[rng.integers(20, size=points)]
    x, y = (centres + 0.3 * rng.normal(size=(points, 2))).round(4).T
    ids = [f"candidate {number}" for number in range(points)]
    data["map"]["pool"] = {"x": x.tolist(), "y": y.tolist(), "id": ids}
    return json.dumps(data)


def _read(page: Page) -> None:
    """Zoom in, look around, zoom out, and draw around the middle."""
    _drag(page, ((0.3, 0.3), (0.7, 0.7)))
    for at in range(STEPS):
        page.mouse.move(*_place(page, at / STEPS, 0.5))
    page.mouse.dblclick(*_place(page, 0.5, 0.5))
    time.sleep(SETTLE / 1000)
    page.get_by_label("lasso", exact=True).check()
    _drag(page, ((0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7)))
    page.locator("#taken tbody tr").first.wait_for()


def _drag(page: Page, corners: tuple[tuple[float, float], ...]) -> None:
    page.mouse.move(*_place(page, *corners[0]))
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*_place(page, *corner), steps=STEPS)
    page.mouse.up()
    page.wait_for_timeout(SETTLE)


def _place(page: Page, x: float, y: float) -> tuple[float, float]:
    box = page.locator("#map .u-over").bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]
