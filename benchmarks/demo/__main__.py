"""`python -m benchmarks.demo`: the main job on real data, end to end, in about eight minutes on two cores.

Exit codes: 0 done; 1 a job failed; 2 processes were left behind; 130 interrupted. A SIGTERM is an interrupt
too: whoever ends the demo ends all that it started.
"""

import argparse
import signal
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.demo import report
from benchmarks.demo.data import build
from benchmarks.demo.embedded import ProcessesLeftError, StartFailedError, embedded
from benchmarks.demo.machine import describe_machine
from benchmarks.demo.run import run
from evoselect_client import Client, EvoSelectError

FAILED = 1
LEFT_BEHIND = 2
INTERRUPTED = 130


def main() -> int:
    """Parse the command line, run, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON instead of a table")
    parser.add_argument("--seed", type=int, default=0, help="of the data (default 0)")
    parser.add_argument(
        "--out", type=Path, default=Path("demo-report"), help="folder of demo.json, demo.html"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    err = Console(stderr=True, highlight=False)
    try:
        return _demo(arguments, err)
    except (EvoSelectError, StartFailedError) as error:
        err.print(f"the demo failed: {error}", style="red", markup=False)
        err.print(f"The logs of its processes are in {arguments.out / 'logs'}", markup=False)
        return FAILED
    except ProcessesLeftError as error:
        err.print(str(error), style="red", markup=False)
        return LEFT_BEHIND
    except KeyboardInterrupt:
        return INTERRUPTED


def _demo(arguments: argparse.Namespace, err: Console) -> int:
    err.print("Building the data", style="bold")
    data = build(seed=arguments.seed)
    err.print("Starting PostgreSQL, Valkey, the API and the workers", style="bold")
    with embedded(arguments.out / "logs") as (url, key), Client(url, key) as client:
        result = run(client, data, lambda line: err.print(line, style="bold"))
    result["machine"] = describe_machine()
    paths = report.write(result, arguments.out)
    if arguments.json:
        print(paths[0].read_text(), end="")
    else:
        report.print_table(result, Console())
    err.print(f"Written: {', '.join(str(path) for path in paths)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
