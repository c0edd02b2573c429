"""The chaos suite: python -m tests.chaos [--parts PART ...] [--seeds N] [--first SEED] [--json]

runs          N seeded fault schedules against real servers and processes; phases are stand-ins
points        the process ends at every commit and file step of four job lives, and is started again
large_runs    N schedules while selections from large pools go through sums, lists and the merge
large_points  every step of two lives of such selections; --steps FIRST LAST takes some of each life's

Says what broke; exit code 1 when anything did. SIGTERM ends it after the present seed or point; what ran
until then is reported. A run during which this process was stopped (SIGSTOP) is made again; what it found is
reported under breaks_of_paused_runs and is no verdict, neither way.
"""

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos import crash_points
from tests.chaos.disks import small_disk
from tests.chaos.fleet import Fleet, fleet
from tests.chaos.large import faults as large_faults
from tests.chaos.large import lives as large_lives
from tests.chaos.large.fleets import large_fleet, orders_of
from tests.chaos.pauses import Pauses
from tests.chaos.runs import Orders, Report, default_kinds, one_run, ordered, pick

PARTS = ("runs", "points", "large_runs", "large_points")
DISK_MEGABYTES = 420
RUNS_PER_FLEET = 100  # then fresh servers: an error that only shows early shows again


@dataclass(frozen=True)
class Setting:
    """A fleet, what is asked of it, and what may happen to it."""

    fleet: Callable[[Path], AbstractContextManager[Fleet]]
    orders: Callable[[Fleet], Orders]
    kinds: tuple[str, ...]


SETTINGS = {
    "runs": Setting(fleet, lambda made: ordered, tuple(default_kinds())),
    "large_runs": Setting(large_fleet, orders_of, (*default_kinds(), *large_faults.KINDS)),
}
LIVES = {"points": crash_points.LIVES, "large_points": large_lives.LIVES}


def main() -> None:
    """Run, print, and end with the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", choices=[*default_kinds(), *large_faults.KINDS])
    parser.add_argument("--lives", nargs="*", choices=[*crash_points.LIVES, *large_lives.LIVES])
    parser.add_argument("--steps", nargs=2, type=int, default=(0, sys.maxsize), metavar=("FIRST", "LAST"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    found: dict[str, Any] = {}
    seeds = list(range(arguments.first, arguments.first + arguments.seeds))
    for part, lives in LIVES.items():  # first: they fork, and the answers of runs need torch
        if part in arguments.parts:
            chosen = [lives[name] for name in lives if name in (arguments.lives or lives)]
            points, converged = crash_points.all_points(stop, chosen, range(*arguments.steps))
            found[part] = {"crash_points": len(points), "crash_points_converged": converged}
    for part, setting in SETTINGS.items():
        if part in arguments.parts:
            kinds = [kind for kind in setting.kinds if kind in (arguments.kinds or setting.kinds)]
            found[part] = summary(chaos(setting, seeds, kinds, stop))
    told = found.pop("runs", {}) | found.pop("points", {}) | found  # large ones under their names
    print(json.dumps(told) if arguments.json else "\n".join(f"{key}: {told[key]}" for key in told))
    raise SystemExit(int(any(map(_broken, (told, *found.values())))))


def _broken(told: dict[str, Any]) -> bool:
    return bool(told.get("breaks")) or told.get("crash_points") != told.get("crash_points_converged")


def chaos(setting: Setting, left: list[int], kinds: list[str], stop: threading.Event) -> Report:
    """All the seeds, some hundred to a fleet."""
    report, pauses = Report(), Pauses()
    while left and not stop.is_set():
        with (
            tempfile.TemporaryDirectory(prefix="evoselect-chaos-") as home,
            small_disk(Path(home), DISK_MEGABYTES) as unfillable,
            setting.fleet(Path(home)) as made,
        ):
            possible = [kind for kind in kinds if kind != "disk_filled" or not unfillable]
            orders = setting.orders(made)
            for seed in left[:RUNS_PER_FLEET]:
                left = left[1:]
                if not _unpaused(made, seed, pick(seed, possible), report, pauses, orders) or stop.is_set():
                    break
    return report


def _unpaused(
    fleet: Fleet, seed: int, chosen: list[str], report: Report, pauses: Pauses, orders: Orders
) -> bool:
    """Run a seed, again where it was paused; False where the run itself fell over, which is a break too."""
    while True:
        own, begun, paused = Report(), time.monotonic(), pauses.count
        try:
            one_run(fleet, seed, chosen, own, orders=orders)
        except Exception as error:  # such as servers that do not come back
            own.breaks.append(
                f"seed {seed} ({', '.join(chosen)}): fell over: {type(error).__name__}: {error}"
            )
        broken = not own.runs
        _tell(seed, time.monotonic() - begun, own.breaks, paused=pauses.count > paused)
        if pauses.count == paused:
            report.add(own)
        else:
            report.paused_runs += 1
            report.breaks_of_paused_runs += own.breaks
        if broken or pauses.count == paused:
            return not broken


def _tell(seed: int, seconds: float, breaks: list[str], *, paused: bool) -> None:
    line = f"seed {seed}: {seconds:.1f} s{', paused meanwhile' if paused else ''}"
    print(line, *breaks, sep="\n  ", file=sys.stderr, flush=True)


def summary(report: Report) -> dict[str, Any]:
    """The report under its stable keys."""
    ordered = sorted(report.recoveries)
    return {
        "runs": report.runs,
        "invariant_breaks": len(report.breaks),
        "breaks": report.breaks,
        "paused_runs": report.paused_runs,
        "breaks_of_paused_runs": report.breaks_of_paused_runs,
        "faults": dict(sorted(report.faults.items())),
        "killed_in": dict(sorted(report.killed_in.items())),
        "recoveries": len(ordered),
        "recovery_seconds_p99": round(ordered[int(0.99 * (len(ordered) - 1))], 2) if ordered else None,
    }


if __name__ == "__main__":
    main()
