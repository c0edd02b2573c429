"""One attack in a process of its own: `python -m benchmarks.hostile.attacks NAME URL KEY SECONDS`.

Prints a line when it begins, and in the end how often each answer came, as JSON. Steps back behind what it
attacks: on one machine it would measure the loss of the processor otherwise.
"""

import json
import os
import sys
import time

from benchmarks.hostile.attacks import ATTACKS
from benchmarks.hostile.attacks.stage import READY, Stage


def main() -> None:
    """Run it."""
    os.nice(10)
    name, url, key, seconds = sys.argv[1:]
    stage = Stage(url, key, 0.0)
    print(READY, flush=True)
    stage.deadline = time.monotonic() + float(seconds)
    print(json.dumps(dict(ATTACKS[name](stage))))


if __name__ == "__main__":
    main()
