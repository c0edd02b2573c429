"""The items of a selection that another job builds on."""

from typing import Any

import orjson

from store.jobs import lifecycle as jobs
from store.results import items as selected
from store.tables.states import JobKind
from workers.process.work import Work


def selected_items(work: Work, selection_id: str) -> list[dict[str, Any]]:
    """All items of a completed selection of the same tenant, in rank order; raises NotFound."""
    with work.context.database.transaction() as session:
        job = jobs.get(session, work.claim.tenant_id, selection_id, JobKind.SELECTION)
    stored = (job.result or {})["artifacts"]["items"]
    texts = selected.read(work.context.artifacts, stored, after=0, limit=stored["rows"])
    return [orjson.loads(text) for text in texts]
