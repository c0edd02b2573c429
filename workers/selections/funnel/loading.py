"""The pool's side of a selection with a funnel: all records, and the features of those that went through."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from evoselect.arrays import Ints
from store.data import pools
from store.errors import ArtifactCorrupt
from store.jobs import shards
from store.jobs.requests import SelectionWork
from store.records.stored import Records
from workers.features.known import Known
from workers.features.statuses import Statuses
from workers.process.work import Work
from workers.selections.computed import load_computed
from workers.selections.funnel import through
from workers.selections.side import Side


def load_funnelled(work: Work, asked: SelectionWork, scratch: Path) -> Side:
    """All records; nothing went through yet where nobody has looked, or what went through was lost."""
    with work.context.database.transaction() as session:
        pool = pools.get(session, work.claim.tenant_id, asked.pool_id)
        sources = pools.sources(session, pool, asked.pool_version)
        held = shards.of_phase(session, work.claim.job_id, "features")
    named = [(source.artifact, source.sha256) for source in sources]
    records = Records.stored([work.context.artifacts.local_file(*file, scratch) for file in named])
    try:
        went = through.get(work, held)
    except ArtifactCorrupt:
        went = None
    if went is None:
        return Side(records, _unknown(len(records)), files=named)
    own = load_computed(work, "pool", scratch)
    known = _spread(own.known, went.rows, len(records))
    return replace(own, records=records, known=known, files=named, through=went)


def _unknown(rows: int) -> Known:
    """Of rows whose features nobody has computed: nothing speaks against them."""
    return Known(np.zeros(rows, dtype=np.int32), Statuses(np.zeros(rows, dtype=np.uint8), ["ok"]), "")


def _spread(known: Known, places: Ints, rows: int) -> Known:
    """What is known of the rows at ``places`` (n,), among so many ``rows``."""
    whole = _unknown(rows)
    whole.tokens[places] = known.tokens
    for name in known.status.counts():
        whole.status.give(places[known.status.are(name)], name)
    return replace(whole, sketch=known.sketch, shortened=known.shortened)
