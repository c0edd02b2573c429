"""Whether somebody stopped this process meanwhile: a debugger, or to make room for a measurement.

The fleet goes on then, while the proxies before its servers and the deadlines of the run stand still: what
such a run says about time proves nothing.
"""

import threading
import time

LOOK_SECONDS = 0.2
LONGEST_GAP = 5.0  # between two looks of a process that is only short of processor time


class Pauses:
    """Watches the clock from a thread."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        threading.Thread(target=self._watch, name="pauses", daemon=True).start()

    def _watch(self) -> None:
        last = time.monotonic()
        while True:
            time.sleep(LOOK_SECONDS)
            now = time.monotonic()
            if now - last > LONGEST_GAP:
                self.count += 1
                self.seconds += now - last
            last = now
