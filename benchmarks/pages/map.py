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
OVER = "#map .u-over"
STEPS = 8  # moves of the pointer along one line


def longest_frame(browser: Browser, folder: Path, points: int) -> float:
    """Milliseconds between two frames at most, while a map of that many points is read and narrowed."""
    file = folder / "report.html"
    file.write_text(DATA.sub(lambda found: f"{found[1]}{_filled(found[2], points)}{found[3]}", _page()))
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(file.as_uri())
    page.locator("html[data-ready]").wait_for()
    page.locator(OVER).scroll_into_view_if_needed()
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
    """The data of the page, with other candidates on its map: a cloud of eight clusters."""
    data: Json = json.loads(text)
    rng = np.random.default_rng(0)
    cluster = rng.integers(8, size=points)
    centres = rng.normal(size=(8, 2))[cluster]
    x, y = (centres + 0.3 * rng.normal(size=(points, 2))).round(4).T
    ids = [f"candidate {number}" for number in range(points)]
    relevance, length = rng.normal(size=points).round(4), rng.integers(20, 2_000, size=points)
    columns = {"x": x, "y": y, "relevance": relevance, "length": length, "cluster": cluster}
    data["map"]["pool"] = {"id": ids, **{name: column.tolist() for name, column in columns.items()}}
    data["clusters"] = [f"words of {number}" for number in range(8)]
    return json.dumps(data)


def _read(page: Page) -> None:
    """Zoom in, look around, zoom out, draw around the middle, colour by cluster, and narrow a histogram."""
    _drag(page, ((0.3, 0.3), (0.7, 0.7)))
    for at in range(STEPS):
        page.mouse.move(*_place(page, at / STEPS, 0.5))
    page.mouse.dblclick(*_place(page, 0.5, 0.5))
    time.sleep(SETTLE / 1000)
    page.get_by_label("lasso", exact=True).check()
    _drag(page, ((0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7)))
    page.locator("#taken tbody tr").first.wait_for()
    page.get_by_label("Colours").select_option("cluster")
    page.wait_for_timeout(SETTLE)
    _drag(page, ((0.3, 0.5), (0.6, 0.5)), "#linked canvas")


def _drag(page: Page, corners: tuple[tuple[float, float], ...], over: str = OVER) -> None:
    page.locator(over).first.scroll_into_view_if_needed()
    page.mouse.move(*_place(page, *corners[0], over))
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*_place(page, *corner, over), steps=STEPS)
    page.mouse.up()
    page.wait_for_timeout(SETTLE)


def _place(page: Page, x: float, y: float, over: str = OVER) -> tuple[float, float]:
    box = page.locator(over).first.bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]
