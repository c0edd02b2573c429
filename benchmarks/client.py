"""What the SDK costs its users: `python -m benchmarks.client --json`.

Upload: the same file to the same route, by curl in one request and by the SDK in parts, in turn; the ratio is
of the best rates. Memory is the largest resident set of the uploading process while it works, less what it
was after the import. The import is a fresh interpreter's, the median of several.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.api.ingest import write
from benchmarks.api.served import Served, served
from benchmarks.machine import describe

RECORDS, QUICK_RECORDS = 1_000_000, 50_000
ROUNDS = 2
IMPORTS = 7
SECONDS = 600  # that one upload may take
UPLOAD = """
import json, re, sys, time
from evoselect_client import Client
url, key, path = sys.argv[1:]
client = Client(url, key)
pool = client.pools.create()
peak = lambda: int(re.search("VmHWM:[^0-9]*([0-9]+)", open("/proc/self/status").read())[1]) / 1000
before, start = peak(), time.perf_counter()
upload = pool.add(path)
print(json.dumps({"seconds": time.perf_counter() - start, "accepted": upload.counts.accepted,
                  "growth_mb": peak() - before}))
"""
IMPORT = "import time; start = time.perf_counter(); {}; print((time.perf_counter() - start) * 1000)"


def measure(api: Served, folder: Path, records: int) -> dict[str, Any]:
    """Both uploads and both imports."""
    path = write(folder / "pool.jsonl", _record, rows=records)
    _by_curl(api, write(folder / "warm.jsonl", _record, rows=10_000))
    runs = [(_by_curl(api, path), _by_client(api, path)) for _ in range(ROUNDS)]
    for _, client in runs:
        if client["accepted"] != records:
            raise RuntimeError(f"{client['accepted']} of {records} records were accepted")
    size = path.stat().st_size / 1e6
    curl, sdk = min(seconds for seconds, _ in runs), min(client["seconds"] for _, client in runs)
    return {
        "upload_ratio_to_curl": round(curl / sdk, 3),
        "upload_rss_growth_mb": round(max(client["growth_mb"] for _, client in runs), 1),
        "import_ms": _milliseconds("import evoselect_client"),
        "import_client_ms": _milliseconds("from evoselect_client import Client"),
        "upload_mb": round(size, 1),
        "upload_mb_per_second": round(size / sdk, 1),
        "curl_mb_per_second": round(size / curl, 1),
    }


def _record(number: int, texts: list[str]) -> str:
    first, second = texts[number % len(texts)], texts[(7 * number + number // len(texts)) % len(texts)]
    return f'{{"id":"r{number}","prompt":"{first}\\n{number}?","completion":"{second}"}}\n'


def _by_curl(api: Served, path: Path) -> float:
    """Seconds of one POST of the file."""
    pool_id = api.made("/v1/pools", {})["id"]
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", str(SECONDS)]
    for header in (f"Authorization: Bearer {api.api_key}", "Content-Type: application/x-ndjson"):
        command += ["--header", header]
    command += ["--output", "/dev/null", "--request", "POST", "--upload-file", str(path)]
    command.append(f"{api.url}/v1/pools/{pool_id}/batches")
    start = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - start


def _by_client(api: Served, path: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", UPLOAD, api.url, api.api_key, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _milliseconds(statement: str) -> float:
    command = [sys.executable, "-c", IMPORT.format(statement)]
    times = [float(subprocess.check_output(command)) for _ in range(IMPORTS)]
    return round(statistics.median(times), 1)


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RECORDS:,} records")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report: dict[str, Any] = describe()
    with tempfile.TemporaryDirectory(prefix="evoselect-client-") as name, served(Path(name)) as api:
        report |= measure(api, Path(name), QUICK_RECORDS if options.quick else RECORDS)
    lines = "\n".join(f"{key}: {value}" for key, value in report.items())
    print(json.dumps(report) if options.json else lines)


if __name__ == "__main__":
    main()
