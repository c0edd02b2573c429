"""Runs the suite in two processes; what failed beside others runs once more, alone, and the report says so.

Tests of real servers and workers share two cores: one may starve beside another's training. A fault of the
product fails again when it is alone. More than MOST failures are no starvation and are not tried again.

    python -m tests.suite [arguments of pytest]
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
FAILED = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"
BESIDE = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
MOST = 5


def main(arguments: Sequence[str], failed: Path = FAILED) -> int:
    """The exit status of the suite, or of the second run of what failed in it."""
    failed.unlink(missing_ok=True)
    status = run(*BESIDE, *arguments)
    names = sorted(json.loads(failed.read_text())) if failed.is_file() else []
    if status != 1 or not 0 < len(names) <= MOST:  # 1: all ran and some failed
        return status
    print(f"\n== {len(names)} failed beside others; once more, alone:", *names, sep="\n   ", flush=True)
    status = run(*names)
    if status == 0:
        print(f"== PASSED ONLY ALONE: {len(names)} tests. Look at their waits and bounds.", flush=True)
    return status


def run(*arguments: str) -> int:
    """pytest in a process of its own, in the same folder and with the same environment."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
