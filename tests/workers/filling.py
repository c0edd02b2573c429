"""A body that fills the disk while it works, the first time; then it is as short as the empty one."""

from tests.chaos import disks
from workers.process.work import Outcome, Work


def run(work: Work) -> Outcome:
    """Store a file, which the first attempt has left no room for."""
    home = work.context.settings.home
    if work.claim.attempt == 1:
        disks.fill(home)
    work.context.artifacts.put_bytes("x", bytes(2**16), ".bin")
    return Outcome()
