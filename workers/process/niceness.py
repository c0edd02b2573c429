"""Computing workers give way to the API and the database of their machine."""

import os
import time
from pathlib import Path

TRIES = 50  # the kernel lets users change one session's niceness in 100 ms, and several workers start at once
PAUSE = 0.1
SESSION = Path("/proc/self/autogroup")


def give_way(niceness: int) -> None:
    """Lower the priority of this thread, of those that it will start, and of the session.

    Linux weighs sessions against each other before the processes in them, where autogroups are on: of two
    processes in sessions of their own, one at nice 10 got as much of a core as the other.
    """
    os.nice(niceness)
    if not niceness:
        return
    for _ in range(TRIES):
        try:
            SESSION.write_text(str(niceness))
        except BlockingIOError:
            time.sleep(PAUSE)
            continue
        except OSError:  # no autogroups here, or none that may be changed
            pass
        return
