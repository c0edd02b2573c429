"""The plane of a loop's first round, which the maps of its later rounds and of both arms are drawn in."""

from dataclasses import dataclass

import numpy as np
import torch
from safetensors.numpy import load, save

from evoselect.report.plane import Plane
from store.artifacts import Artifacts, StoredFile
from store.jobs.results import files_of
from store.loops import steps as loop_steps
from store.tables.jobs import Job
from store.tables.states import PREFIX, JobKind
from workers.process.work import Work

FIRST = 1  # round


@dataclass(frozen=True, slots=True)
class Axes:
    """A plane, and the selection whose map it was fitted to."""

    plane: Plane
    selection_id: str
    round: int


def put(artifacts: Artifacts, tenant_id: str, plane: Plane) -> StoredFile:
    """The stored plane: (3, d) float32, its origin and two axes."""
    rows = torch.cat([plane.origin[None], plane.axes.T]).float().cpu().numpy()
    stored = artifacts.put_bytes(
        f"{tenant_id}/plane", save({"plane": np.ascontiguousarray(rows)}), ".safetensors"
    )
    return stored.reference(rows=len(rows))


def of_loop(work: Work, dim: int) -> Axes | None:
    """What a selection of a loop is drawn in.

    None for the first one, for one that runs alone or in a comparison, and where the first round has no plane
    of this dimension.
    """
    with work.context.database.transaction() as session:
        step = loop_steps.of_step(session, work.claim.job_id)
        if step is None or step.loop_id.startswith(PREFIX[JobKind.COMPARISON]):
            return None
        first = loop_steps.job_id(session, step.loop_id, FIRST, "select")
        result = session.get_one(Job, first).result
    stored = None if result is None else files_of(result).plane
    if first == work.claim.job_id or stored is None:
        return None
    rows = torch.from_numpy(load(work.context.artifacts.get_bytes(stored.path, stored.sha256))["plane"])
    return Axes(Plane(rows[0], rows[1:].T), first, FIRST) if rows.shape[1] == dim else None
