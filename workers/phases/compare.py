"""Phase `compare`: a look at a comparison. All of it happens in the transaction that ends the shard."""

from store.comparisons import advance as comparisons
from workers.process.work import Outcome, Work


def run(work: Work) -> Outcome:
    """Nothing is computed: what is due is begun when the shard is committed."""
    settings, comparison_id = work.context.settings, work.claim.job_id
    return Outcome(save=lambda session: comparisons.advance(session, settings, comparison_id))
