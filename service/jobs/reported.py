"""What the report of a job says of the job itself, whatever its kind."""

from collections.abc import Mapping

from service.polls import views
from store.tables.jobs import Job

FIELDS = ("id", "name", "status", "created_at", "completed_at", "request", "metadata")


def reported(row: Job) -> dict[str, object]:
    """The job as `Reported` and its kind's own fields describe it."""
    shown: Mapping[str, object] = views.job(row, {})
    return {name: shown[name] for name in FIELDS}
