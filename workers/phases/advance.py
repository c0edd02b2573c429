"""Phase `advance`: a look at a loop or a comparison. It happens in the transaction that ends the shard."""

from store import looks
from workers.process.work import Outcome, Work


def run(work: Work) -> Outcome:
    """Nothing is computed: what is due is begun when the shard is committed."""
    settings, job_id = work.context.settings, work.claim.job_id
    return Outcome({}, save=lambda session: looks.look(session, settings, job_id))
