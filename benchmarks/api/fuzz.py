"""schemathesis over the OpenAPI document, all checks, as two tenants that must not see each other's rows."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

# These could end the key that asks; tests/service/accounts/test_api_keys.py is theirs.
ENDING_KEYS = ("api_keys.revoke", "api_keys.rotate")
EXAMPLES = 20  # of each route in one round; rounds follow until the time is over
ANSWER_SECONDS = 70  # longer than the longest wait that a poll may ask for
CONFIG = """
[auth.wfc]
path = "{users}"
user = "one"
peers = ["one", "two"]

[checks]
max_response_time = {seconds}

[checks.negative_data_rejection]
expected-statuses = ["4xx"]

# A JSON Schema does not say all that is checked (which of two fields, how many rows a pool has, how many
# bytes a body has, how many webhook endpoints there are already), so 413, 422 and 429 are answers to data
# that fits it; 413 also to data that does not.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "413", "422", "429"]
"""


def fuzz(url: str, keys: tuple[str, str], folder: Path, *, seconds: int, seed: int) -> dict[str, Any]:
    """All phases, again and again until the time is over; see `_run`."""
    options = ["--max-examples", str(EXAMPLES), "--max-time", str(seconds), "--workers", "4"]
    options += ["--generation-database", "none"]
    return _run(url, keys, folder, [*options, "--seed", str(seed)])


def fuzz_once(url: str, keys: tuple[str, str], folder: Path) -> dict[str, Any]:
    """The same few examples of every route in every run; see `_run`."""
    options = ["--phases", "fuzzing", "--max-examples", "3", "--generation-deterministic"]
    return _run(url, keys, folder, [*options, "--workers", "2"])


def _run(url: str, keys: tuple[str, str], folder: Path, options: list[str]) -> dict[str, Any]:
    """Requests sent, their answers by status, failures by check; schemathesis' own words stay in `folder`."""
    users, config, report = folder / "users.json", folder / "schemathesis.toml", folder / "report.ndjson"
    users.write_text(
        json.dumps({"auth": [_user(name, key) for name, key in zip(("one", "two"), keys, strict=True)]})
    )
    config.write_text(CONFIG.format(users=users, seconds=ANSWER_SECONDS))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    command += [f"{url}/openapi.json", "--checks", "all", *options, "--no-shrink", "--no-color"]
    command += ["--continue-on-failure", "--report", "ndjson", "--report-ndjson-path", str(report)]
    for operation in ENDING_KEYS:
        command += ["--exclude-operation-id", operation]
    command += ["--request-timeout", str(ANSWER_SECONDS)]
    command += ["--suppress-health-check", "all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    (folder / "output.txt").write_text(done.stdout + done.stderr)
    if not report.exists():
        raise RuntimeError(f"schemathesis did not run: {done.stdout} {done.stderr}")
    return _counted(report)


def _user(name: str, key: str) -> dict[str, Any]:
    return {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {key}"}]}


def _counted(report: Path) -> dict[str, Any]:
    statuses: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    for line in report.read_text().splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for interaction in recorder.get("interactions", {}).values():
            answer = interaction.get("response")
            statuses[str(answer["status_code"]) if answer else "none"] += 1
        for checks in recorder.get("checks", {}).values():
            failures.update(check["name"] for check in checks if check["status"] == "failure")
    return {
        "fuzz_cases": statuses.total(),
        "fuzz_failures": failures.total(),
        "fuzz_failed_checks": dict(failures),
        "fuzz_statuses": dict(sorted(statuses.items())),
    }
