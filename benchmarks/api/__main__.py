"""What the API does under load and under attack, as users run it: one process, real servers, real HTTP.

python -m benchmarks.api [--only PART ...] [--quick] [--seconds N] [--seed N] [--json]
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.api import fuzz, odd, polls, streams
from benchmarks.api.served import Served, served
from benchmarks.machine import describe
from store.session import Database
from tests import tenancy
from tests.live import Api, another_tenant

UNLIMITED = {"requests_per_second": 10**6, "max_jobs": 10**6}  # the limits are not what is measured
FUZZ_SECONDS, QUICK_FUZZ_SECONDS = 240, 20


def main() -> None:
    """Run the parts one after another on the same servers; print all that they found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="shorter, below a minute")
    parser.add_argument("--seconds", type=int, help="of fuzzing")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report: dict[str, Any] = describe()
    with (
        tempfile.TemporaryDirectory(prefix="evoselect-bench-") as home,
        served(Path(home), **UNLIMITED) as api,
    ):
        for part in arguments.only:
            report |= PARTS[part](api, arguments)
    lines = "\n".join(f"{key}: {value}" for key, value in report.items())
    print(json.dumps(report) if arguments.json else lines)


def _polls(api: Served, arguments: argparse.Namespace) -> dict[str, Any]:
    return polls.measure(api, seconds=5.0 if arguments.quick else 15.0)


def _streams(api: Served, arguments: argparse.Namespace) -> dict[str, Any]:
    return streams.measure(api)


def _tenancy(api: Served, arguments: argparse.Namespace) -> dict[str, Any]:
    database = Database(api.settings.database_url)
    try:
        found = tenancy.leaks(Api(api.url, api.api_key, api.settings, database, api.tenant_id))
    finally:
        database.dispose()
    return {"tenant_leaks": len(found), "tenant_leaks_found": found}


def _fuzz(api: Served, arguments: argparse.Namespace) -> dict[str, Any]:
    seconds = arguments.seconds or (QUICK_FUZZ_SECONDS if arguments.quick else FUZZ_SECONDS)
    with tempfile.TemporaryDirectory(prefix="evoselect-fuzz-") as folder:
        keys = (api.api_key, api.another_key("second"))
        found = fuzz.fuzz(api.url, keys, Path(folder), seconds=seconds, seed=arguments.seed)
    database = Database(api.settings.database_url)
    try:
        first = Api(api.url, api.api_key, api.settings, database, api.tenant_id)
        found |= odd.fuzz_odd((first, another_tenant(first)), every=10 if arguments.quick else 1)
    finally:
        database.dispose()
    sums = {f"fuzz_{name}": found[f"fuzz_{name}"] + found[f"odd_{name}"] for name in ("cases", "failures")}
    return found | sums


PARTS: dict[str, Callable[[Served, argparse.Namespace], dict[str, Any]]] = {
    "polls": _polls,
    "streams": _streams,
    "tenancy": _tenancy,
    "fuzz": _fuzz,
}

if __name__ == "__main__":
    main()
