"""The report of a large selection: how long it takes, and how large its page is.

python -m benchmarks.report [--candidates 100000] [--k 10000] [--targets 1000] [--json]

report_seconds   numbers from the features, storing them, reading them back and rendering the page
numbers_seconds  the select worker's share of it
report_mb        bytes of the HTML page / 10^6
jobs_page_ms     first content of the page of jobs in Chromium, with 10,000 jobs; largest of ten looks
"""

import argparse
import json
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import torch
from playwright.sync_api import Page, sync_playwright
from torch.nn.functional import normalize

from benchmarks.api.served import served
from benchmarks.machine import describe
from benchmarks.pages.data import many_jobs
from evoselect.neighbours.both_ways import nearest_both_ways
from evoselect.select import select
from evoselect.spec.selection import SelectionSpec
from service.selections.report_document import document, map_texts
from service.selections.report_page import page
from service.selections.report_responses import Report
from store.artifacts import Artifacts
from store.kit.ids import new_id
from store.records.record import Record, parse_record
from store.results import items as selected
from store.session import Database
from store.tables.jobs import Job
from tests.service.browsing import FLAGS
from workers.selections import report as selection_report
from workers.selections.items import item

JOBS = 10_000
LOOKS = 10
FIRST_CONTENT = """() => new Promise((done) => new PerformanceObserver((list) => {
  const paint = list.getEntriesByName("first-contentful-paint")[0];
  if (paint) done(paint.startTime);
}).observe({ type: "paint", buffered: true }))"""
DIM, MODES, TARGET_MODES = 512, 50, 12
WORDS = "Which of these explains why a metal spoon feels colder than a wooden one in the same room? "


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, count in (("candidates", 100_000), ("k", 10_000), ("targets", 1_000)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report: dict[str, Any] = {"machine": describe()}
    report |= measured(arguments.candidates, arguments.targets, arguments.k)
    report["jobs_page_ms"] = jobs_page()
    print(json.dumps(report) if arguments.json else "\n".join(f"{key}: {report[key]}" for key in report))


def measured(n: int, m: int, k: int) -> dict[str, Any]:
    """The report of k out of n for m targets, end to end but without HTTP."""
    html, numbers, seconds = rendered(n, m, k)
    return {
        "report_seconds": round(seconds, 2),
        "numbers_seconds": round(numbers, 2),
        "report_mb": round(len(html.encode()) / 1e6, 2),
        "candidates": n,
        "targets": m,
        "k": k,
    }


def rendered(n: int, m: int, k: int) -> tuple[str, float, float]:
    """The page, and the seconds that its numbers and all of it took."""
    generator = torch.Generator().manual_seed(0)
    modes = torch.randn(MODES, DIM, generator=generator)
    candidates, targets = (_draw(modes, *side, generator) for side in ((n, MODES), (m, TARGET_MODES)))
    sent, wanted = _records("c", n), _records("t", m)
    chosen = select(candidates, targets, k, SelectionSpec(tradeoff=True), seed=0)
    with tempfile.TemporaryDirectory() as folder:
        artifacts = Artifacts(f"file://{folder}")
        items = selected.put(
            artifacts,
            "t/items",
            [
                item(reason, candidates=sent, targets=wanted, tokens=[0] * len(sent), flags={})
                for reason in chosen.items()
            ],
        )
        start = time.perf_counter()
        near = nearest_both_ways(candidates, targets)
        stored = selection_report.store(
            artifacts,
            "t",
            seed=0,
            sent=sent,
            wanted=wanted,
            candidates=candidates,
            targets=targets,
            selection=chosen,
            near=near,
        )
        numbers = time.perf_counter() - start
        job = _job(k, n, orjson.loads(orjson.dumps(chosen.diagnostics)), {"items": items, **stored})
        found = document(artifacts, job)
        texts = selected.read(artifacts, items, after=0, limit=found["map"]["shown"]["selected"])
        html = page(
            Report.model_validate(found), (orjson.loads(text) for text in texts), map_texts(artifacts, job)
        )
        return html, numbers, time.perf_counter() - start


def jobs_page() -> float:
    """Milliseconds to the first contentful paint, as the browser measures it."""
    with tempfile.TemporaryDirectory() as home, served(Path(home)) as live, sync_playwright() as playwright:
        database = Database(live.settings.database_url)
        many_jobs(database, live, JOBS)
        database.dispose()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page()
        page.goto(f"{live.url}/ui/sign-in")
        page.get_by_label("API key").fill(live.api_key)
        page.get_by_role("button", name="Sign in").click()
        found = [_first_content(page, f"{live.url}/ui/selections") for _ in range(LOOKS)]
        browser.close()
    return round(max(found), 1)


def _first_content(page: Page, url: str) -> float:
    page.goto(url)
    return float(page.evaluate(FIRST_CONTENT))


def _draw(modes: torch.Tensor, count: int, among: int, generator: torch.Generator) -> torch.Tensor:
    which = torch.randint(among, (count,), generator=generator)
    return normalize(modes[which] + torch.randn(count, DIM, generator=generator), dim=1)


def _records(kind: str, count: int) -> list[Record]:
    return [
        parse_record({"prompt": f"{number}: {WORDS * 3}", "completion": WORDS, "id": f"{kind}-{number:08d}"})
        for number in range(count)
    ]


def _job(k: int, n: int, diagnostics: dict[str, Any], artifacts: dict[str, Any]) -> Job:
    now = datetime.now(UTC)
    return Job(
        id=new_id("sel"),
        tenant_id="t",
        kind="selection",
        status="completed",
        name="benchmark",
        request={
            "target_id": "tgt_benchmark",
            "pool_id": "pool_benchmark",
            "pool_version": 1,
            "k": k,
            "spec": {},
            "features": {},
            "model": "none",
            "seed": 0,
            "exclude_selection_ids": [],
        },
        user_metadata={},
        created_at=now,
        completed_at=now,
        result={
            "counts": {"pool": n, "usable": n, "left_out": {}, "target": 0, "target_statuses": {}},
            "diagnostics": diagnostics,
            "artifacts": artifacts,
        },
    )


if __name__ == "__main__":
    main()
