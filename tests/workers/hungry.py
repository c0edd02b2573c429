"""A body that takes more memory than there is, untouched, so that nothing else is short of it."""

import torch

from workers.process.memory import available
from workers.process.work import Outcome, Work


def run(work: Work) -> Outcome:
    """Never ends well where the process is bounded."""
    torch.empty(available() + 2**30, dtype=torch.uint8)
    return Outcome()
