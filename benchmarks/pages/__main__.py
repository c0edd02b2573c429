"""The pages in Chromium: how soon they are there, how long a search takes, whether axe-core finds anything.

python -m benchmarks.pages [--jobs 10000] [--pool 1000000] [--searched 100000] [--json]

first_content_s  largest of ten looks at each of: the jobs, the pool, the start
search_ms        largest of ten searches that read every record of a selection's pool, from click to rows
axe_violations   findings of axe-core of any weight, over all pages, widths and colour schemes
clicks           from an empty install to a started selection and its download, files chosen included
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.api.served import Served, served
from benchmarks.machine import describe
from benchmarks.pages import data
from benchmarks.pages.data import Made
from tests.service.browsing import FLAGS

LOOKS = 10
WIDTHS = (360, 768, 1280)
WORK = ("targets", "pools", "files", "models", "keys", "selections", "trainings", "evaluations", "loops")
FIRST_CONTENT = """() => new Promise((done) => new PerformanceObserver((list) => {
  const paint = list.getEntriesByName("first-contentful-paint")[0];
  if (paint) done(paint.startTime);
}).observe({ type: "paint", buffered: true }))"""
DOWNLOAD = 1  # click, once the selection is completed: this benchmark has no workers


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, count in (("jobs", 10_000), ("pool", 1_000_000), ("searched", 100_000)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report: dict[str, Any] = {"machine": describe()}
    report |= measured(arguments.jobs, arguments.pool, arguments.searched)
    print(json.dumps(report) if arguments.json else "\n".join(f"{key}: {report[key]}" for key in report))


def measured(job_count: int, pool_rows: int, searched_rows: int) -> dict[str, Any]:
    """All numbers, on a service of its own."""
    with tempfile.TemporaryDirectory() as home, served(Path(home)) as live, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        clicks = _clicks(browser, live, data.files(Path(home)))
        made = data.fill(live, job_count=job_count, pool_rows=pool_rows, searched_rows=searched_rows)
        found = {
            "first_content_s": _first_content(browser, live, made),
            "search_ms": _search(browser, live, made),
            "clicks": clicks,
            **_axe(browser, live, made),
        }
        browser.close()
    return {**found, "jobs": job_count, "pool_rows": pool_rows, "searched_rows": searched_rows}


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
    count, where = 0, list[str]()
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            page = _signed_in(browser, live, viewport={"width": width, "height": 900}, color_scheme=scheme)
            for path in _paths(made):
                page.goto(f"{live.url}{path}")
                violations = Axe().run(page).response["violations"]
                count += len(violations)
                where += [f"{path} {width} {scheme}: {one['id']}" for one in violations]
            page.context.close()
    return {"axe_violations": count, "axe_pages": len(_paths(made)) * len(WIDTHS) * 2, "axe_found": where}


def _paths(made: Made) -> list[str]:
    own = f"/ui/selections/{made.selection}"
    shown = [f"{own}/records?show={kind}" for kind in ("selected", "left_out", "unusable", "target")]
    fresh = [f"/ui/{noun}/new" for noun in ("selections", "trainings", "evaluations", "loops")]
    return ["/ui", f"/ui/pools/{made.pool}", own, *shown, *fresh, *(f"/ui/{noun}" for noun in WORK)]


if __name__ == "__main__":
    main()
