"""The pages in Chromium: how soon they are there, how long a search takes, whether axe-core finds anything.

python -m benchmarks.pages [--jobs 10000] [--pool 1000000] [--searched 100000] [--points 200000] [--json]

first_content_s     largest of ten looks at each of: the jobs, the pool, the start
search_ms           largest of ten searches that read every record of a selection's pool, from click to rows
longest_frame_ms    between two frames, while a map of so many points is zoomed, pointed at and lassoed
axe_violations      findings of axe-core of any weight, over all pages, widths and colour schemes
clicks              from an empty install to a started selection and its download, files chosen included
undescribed_fields  fields, parameters, headers and answers of the OpenAPI document without a description
empty_schemas       schemas of it that say nothing

What each part took is told on stderr while it runs.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.api.served import Served, served
from benchmarks.machine import describe
from benchmarks.pages import data
from benchmarks.pages.data import Made
from benchmarks.pages.map import longest_frame
from service.write_openapi import FILE as DOCUMENT
from tests.service.browsing import AXE, FLAGS, HEIGHT
from tests.service.documented import untold

LOOKS = 10
SIZES = (("jobs", 10_000), ("pool", 1_000_000), ("searched", 100_000), ("points", 200_000))
WIDTHS = (360, 768, 1280)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
FOUND = "axe.run({resultTypes: ['violations']}).then((found) => found.violations.map((one) => one.id))"
WORK = ("targets", "pools", "files", "models", "keys", "selections", "trainings", "evaluations", "loops")
FIRST_CONTENT = """() => new Promise((done) => new PerformanceObserver((list) => {
  const paint = list.getEntriesByName("first-contentful-paint")[0];
  if (paint) done(paint.startTime);
}).observe({ type: "paint", buffered: true }))"""
DOWNLOAD = 1  # click, once the selection is completed: this benchmark has no workers


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, count in SIZES:
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report: dict[str, Any] = {"machine": describe()}
    report |= measured({name: getattr(arguments, name) for name, _ in SIZES})
    print(json.dumps(report) if arguments.json else "\n".join(f"{key}: {report[key]}" for key in report))


def measured(sizes: dict[str, int]) -> dict[str, Any]:
    """All numbers, on a service of its own."""
    with tempfile.TemporaryDirectory() as home, served(Path(home)) as live, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        found: dict[str, Any] = {}
        with told("clicks"):
            found["clicks"] = _clicks(browser, live, data.files(Path(home)))
        with told("storing"):
            made = data.fill(
                live, job_count=sizes["jobs"], pool_rows=sizes["pool"], searched_rows=sizes["searched"]
            )
        with told("first content"):
            found["first_content_s"] = _first_content(browser, live, made)
        with told("search"):
            found["search_ms"] = _search(browser, live, made)
        with told("map"):
            found["longest_frame_ms"] = longest_frame(browser, Path(home), sizes["points"])
        with told("axe"):
            found |= _axe(browser, live, made)
        browser.close()
    document = untold(json.loads(DOCUMENT.read_text()))
    counted = {
        "undescribed_fields": len(document.undescribed),
        "empty_schemas": len(document.empty),
    }
    return {**found, **counted, **sizes}


@contextmanager
def told(what: str) -> Iterator[None]:
    """Its seconds on stderr."""
    start = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)


def _signed_in(browser: Browser, live: Served, **options: Any) -> Page:
    page = browser.new_context(**options).new_page()
    page.goto(f"{live.url}/ui/sign-in")
    page.get_by_label("API key").fill(live.api_key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{live.url}/ui")
    return page


def _clicks(browser: Browser, live: Served, files: tuple[Path, Path]) -> int:
    page, clicks = _signed_in(browser, live), 1
    page.get_by_role("link", name="New selection").first.click()
    clicks += 1
    for what, file in zip(("targets", "pools"), files, strict=True):
        page.locator(f"[data-intake={what}] input[type=file]").set_input_files(file)
        page.locator(f"[data-intake={what}].done").wait_for()
        clicks += 1
    page.get_by_role("button", name="Start the selection").click()
    page.wait_for_url("**/ui/selections/sel_*")
    page.context.close()
    return clicks + 1 + DOWNLOAD


def _first_content(browser: Browser, live: Served, made: Made) -> float:
    page, found = _signed_in(browser, live), list[float]()
    for path in ("/ui/selections", f"/ui/pools/{made.pool}", "/ui"):
        for _ in range(LOOKS):
            page.goto(f"{live.url}{path}")
            found.append(float(page.evaluate(FIRST_CONTENT)))
    page.context.close()
    return round(max(found) / 1000, 3)


def _search(browser: Browser, live: Served, made: Made) -> float:
    page, found = _signed_in(browser, live), list[float]()
    for show in ("selected", "left_out"):
        for _ in range(LOOKS):
            page.goto(f"{live.url}/ui/selections/{made.selection}/records?show={show}")
            page.get_by_label("Search").fill(data.NEEDLE)
            start = time.perf_counter()
            with page.expect_navigation(wait_until="commit"):
                page.get_by_role("button", name="Filter").click()
            page.locator(".records > li").first.wait_for()
            found.append(1000 * (time.perf_counter() - start))
    page.context.close()
    return round(max(found), 1)


def _axe(browser: Browser, live: Served, made: Made) -> dict[str, Any]:
    """Each page is loaded once, and looked at in each width and colour scheme."""
    page, where = _signed_in(browser, live), list[str]()
    for path in _paths(made):
        page.goto(f"{live.url}{path}")
        page.evaluate(AXE.axe_script)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                where += [f"{path} {width} {scheme}: {name}" for name in page.evaluate(FOUND)]
    page.context.close()
    looks = len(_paths(made)) * len(WIDTHS) * len(SCHEMES)
    return {"axe_violations": len(where), "axe_pages": looks, "axe_found": where}


def _paths(made: Made) -> list[str]:
    own = f"/ui/selections/{made.selection}"
    shown = [f"{own}/records?show={kind}" for kind in ("selected", "left_out", "unusable", "target")]
    fresh = [f"/ui/{noun}/new" for noun in ("selections", "trainings", "evaluations", "loops")]
    return ["/ui", f"/ui/pools/{made.pool}", own, *shown, *fresh, *(f"/ui/{noun}" for noun in WORK)]


if __name__ == "__main__":
    main()
