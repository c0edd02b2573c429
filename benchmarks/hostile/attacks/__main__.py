"""One attack in a process of its own: `python -m benchmarks.hostile.attacks NAME URL KEY SECONDS`.

Prints how often each answer came, as JSON. Steps back behind what it attacks: on one machine it would measure
the loss of the processor otherwise.
"""

import json
import os
import sys
import time

from benchmarks.hostile.attacks import ATTACKS
from benchmarks.hostile.attacks.stage import Stage


def main() -> None:
    """Run it."""
    os.nice(10)
    name, url, key, seconds = sys.argv[1:]
    stage = Stage(url, key, time.monotonic() + float(seconds))
    print(json.dumps(dict(ATTACKS[name](stage))))


if __name__ == "__main__":
    main()
