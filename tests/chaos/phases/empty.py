"""No work at all: what remains is the machinery around it."""

from store.jobs.results import Result
from workers.process.work import Outcome, Work


def run(work: Work) -> Outcome:
    """Nothing."""
    return Outcome(job_result=Result() if work.claim.phase == "transport" else None)
