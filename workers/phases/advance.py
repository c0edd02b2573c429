"""Phase `advance`: one step of a loop. All of it happens in the transaction that ends the shard."""

from store.loops import advance as loops
from workers.process.work import Outcome, Work


def run(work: Work) -> Outcome:
    """Nothing is computed: what is due is begun when the shard is committed."""
    settings, loop_id = work.context.settings, work.claim.job_id
    return Outcome(save=lambda session: loops.advance(session, settings, loop_id))
