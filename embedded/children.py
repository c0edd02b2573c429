"""Children that are kept alive: started again when they die, later each time, until it makes no sense."""

import time
from collections.abc import Callable
from contextlib import suppress

from embedded import processes
from embedded.processes import Child, Running

MOST_RESTARTS = 8  # in a row without a steady life: over a minute of trying


class GaveUp(RuntimeError):
    """A child cannot be kept alive; the message names its log and says what to do."""

    def __init__(self, running: Running) -> None:
        child, self.code = running.child, running.process.returncode
        told = f"the end of {child.log}" if child.log else "what it printed above"
        super().__init__(
            f"{child.name} ended {running.failures} times in a row right after its start, at last it "
            f"{processes.describe_exit(self.code)}: see {told}, mend that, then start again"
        )


class Children:
    """Holds the running children by name. `patient` says when a death proves nothing: the disk is full."""

    def __init__(self, say: Callable[[str], None], patient: Callable[[], bool]) -> None:
        self.running: dict[str, Running] = {}
        self._say = say
        self._patient = patient

    def launch(self, child: Child) -> Running:
        """Start a child and keep it."""
        return self.adopt(processes.start(child))

    def adopt(self, running: Running) -> Running:
        """Keep a child that runs."""
        self.running[running.child.name] = running
        self.say(f"started {running.child.name} (process {running.process.pid})")
        return running

    def check(self) -> bool:
        """Start again what died; returns whether any process is another now. Raises GaveUp."""
        looked_after = [self._restart_if_due(running) for running in list(self.running.values())]
        return any(looked_after)

    def say(self, line: str) -> None:
        """Tell the user, if anybody listens still."""
        with suppress(OSError):
            self._say(line)

    def _restart_if_due(self, running: Running) -> bool:
        if running.restart_at is None:
            if running.process.poll() is not None:
                self._schedule(running)
            return False
        if time.monotonic() < running.restart_at:
            return False
        try:
            self._restart(running)
        except OSError as error:  # neither room nor processes last for ever, nor does their lack
            self.say(f"{running.child.name} could not be started, trying again: {error}")
            self._put_off(running)
            return False
        return True

    def _schedule(self, running: Running) -> None:
        if time.monotonic() - running.started > processes.STEADY_SECONDS:
            running.backoff_seconds, running.failures = processes.FIRST_BACKOFF_SECONDS, 0
        running.failures += not self._patient()
        processes.kill_session(running.process.pid)
        if running.failures > MOST_RESTARTS:
            raise GaveUp(running)
        running.restart_at = time.monotonic() + running.backoff_seconds
        what = processes.describe_exit(running.process.returncode)
        self.say(f"{running.child.name} (process {running.process.pid}) {what}; starting it again")

    def _put_off(self, running: Running) -> None:
        running.backoff_seconds = min(running.backoff_seconds * 2, processes.LONGEST_BACKOFF_SECONDS)
        running.restart_at = time.monotonic() + running.backoff_seconds

    def _restart(self, running: Running) -> None:
        fresh = processes.start(running.child)
        fresh.backoff_seconds = min(running.backoff_seconds * 2, processes.LONGEST_BACKOFF_SECONDS)
        fresh.failures = running.failures
        self.running[running.child.name] = fresh
        self.say(f"{running.child.name} runs again (process {fresh.process.pid})")
