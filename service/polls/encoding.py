"""Jobs as JSON, one by one: a row that cannot be shown says so, and takes no other row with it."""

import logging
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import orjson
from fastapi import Response

from service.polls import views
from service.polls.views import JobView
from store.jobs.reads import Progress
from store.tables.jobs import Job

logger = logging.getLogger(__name__)
UNREADABLE = {
    "code": "unreadable_row",
    "detail": "What is stored of this job cannot be shown; the service's log says why, under the job's id.",
}
CERTAIN = ("id", "kind", "status", "phase", *(f"{name}_at" for name in views.TIMES))


def job(row: Job, phases: Progress) -> JobView:
    """The job as clients see it; where its row cannot be shown, what is certain of it, and that fault."""
    return _shown(row, phases)[0]


def encoded(row: Job, phases: Progress) -> bytes:
    """`job` as JSON."""
    return _shown(row, phases)[1]


def page(rows: Sequence[Job], phases: dict[str, Progress], limit: int) -> Response:
    """A page of jobs, from at most limit + 1 rows."""
    jobs = b",".join(encoded(row, phases[row.id]) for row in rows[:limit])
    more = b"true" if len(rows) > limit else b"false"
    content = b'{"object":"list","data":[' + jobs + b'],"has_more":' + more + b"}"
    return Response(content, media_type="application/json")


def _shown(row: Job, phases: Progress) -> tuple[JobView, bytes]:
    try:
        shown = views.job(row, phases)
        return shown, orjson.dumps(shown)
    except Exception:  # whatever it is: the rows beside it are others'
        logger.exception("job %s cannot be shown", row.id)
    certain = {name: getattr(row, name) for name in CERTAIN}
    bare = SimpleNamespace(**certain, name=None, request={}, result=None, error=UNREADABLE, user_metadata={})
    shown = views.job(cast(Job, bare), {})
    return shown, orjson.dumps(shown)
