"""The chaos suite by seed: python -m tests.chaos --seeds N [--first SEED] [--json]

Runs N seeded fault schedules against real servers and processes, then every crash point, and says what broke.
Exit code 1 when anything did. SIGTERM ends it after the present seed; what ran until then is reported.
"""

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.chaos import crash_points
from tests.chaos.fleet import fleet
from tests.chaos.runs import Report, default_kinds, one_run, pick

RUNS_PER_FLEET = 100  # then fresh servers: an error that only shows early shows again


def main() -> None:
    """Run, print, and end with the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=default_kinds(), choices=default_kinds())
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    report = chaos(range(arguments.first, arguments.first + arguments.seeds), arguments.kinds, stop)
    points, converged = crash_points.all_points(stop)
    found = summary(report) | {"crash_points": len(points), "crash_points_converged": converged}
    print(json.dumps(found) if arguments.json else "\n".join(f"{key}: {found[key]}" for key in found))
    raise SystemExit(int(bool(report.breaks) or converged < len(points)))


def chaos(seeds: range, kinds: list[str], stop: threading.Event) -> Report:
    """All the seeds, some hundred to a fleet."""
    report = Report()
    for start in range(0, len(seeds), RUNS_PER_FLEET):
        with tempfile.TemporaryDirectory(prefix="evoselect-chaos-") as home, fleet(Path(home)) as made:
            for seed in seeds[start : start + RUNS_PER_FLEET]:
                if stop.is_set():
                    return report
                begun, before = time.monotonic(), len(report.breaks)
                one_run(made, seed, pick(seed, kinds), report)
                _tell(seed, time.monotonic() - begun, report.breaks[before:])
    return report


def _tell(seed: int, seconds: float, breaks: list[str]) -> None:
    print(f"seed {seed}: {seconds:.1f} s", *breaks, sep="\n  ", file=sys.stderr, flush=True)


def summary(report: Report) -> dict[str, Any]:
    """The report under its stable keys."""
    ordered = sorted(report.recoveries)
    return {
        "runs": report.runs,
        "invariant_breaks": len(report.breaks),
        "breaks": report.breaks,
        "faults": dict(sorted(report.faults.items())),
        "recoveries": len(ordered),
        "recovery_seconds_p99": round(ordered[int(0.99 * (len(ordered) - 1))], 2) if ordered else None,
    }


if __name__ == "__main__":
    main()
