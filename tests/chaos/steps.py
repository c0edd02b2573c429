"""Every commit and file step of a process, in order, and the power to end the process at one of them.

Commits are seen by SQLAlchemy's events, file steps by Python's audit hooks; nothing of ours is replaced.
"""

import os
import sys
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

EXIT_CRASHED = 77


class Steps:
    """Counts steps that touch the given folder or a database; leaves the process at the chosen one.

    A step is named by what is about to happen or has just happened: "before commit", "after commit",
    "open", "rename", "remove" (before each of the three).
    """

    def __init__(self, folder: str, crash_at: int | None) -> None:
        self.seen: list[str] = []
        self._folder = folder
        self._crash_at = crash_at
        event.listen(Session, "before_commit", lambda session: self._step("before commit"))
        event.listen(Session, "after_commit", lambda session: self._step("after commit"))
        sys.addaudithook(self._audit)

    def _audit(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name not in ("open", "os.rename", "os.remove") or not isinstance(arguments[0], (str, os.PathLike)):
            return
        path = os.fspath(arguments[0])
        writing = name != "open" or (isinstance(arguments[1], str) and "w" in arguments[1])
        if writing and path.startswith(self._folder):
            self._step(name.removeprefix("os."))

    def _step(self, what: str) -> None:
        if len(self.seen) == self._crash_at:
            os._exit(EXIT_CRASHED)
        self.seen.append(what)
