"""No work at all: what remains is the machinery around it."""

from workers.process.work import Outcome, Work


def run(work: Work) -> Outcome:
    """Nothing."""
    return Outcome({}, {} if work.claim.phase == "transport" else None)
