"""The target examples that a loop's model does worst on, for the next round's prompts."""

import math
from collections.abc import Collection, Sequence

from store.jobs import lifecycle as jobs
from store.jobs.results import EvaluationFiles
from store.loops import plan as loop_plan
from store.loops import steps as loop_steps
from store.records.record import Record
from store.tables.states import JobKind
from workers.process.work import Work

SHARE = 1 / 3  # of the examples (ours): enough of them that prompts differ


def hardest(
    work: Work, number: int, target: Sequence[Record], *, apart: Collection[str], shown: int
) -> list[Record]:
    """Of the target's examples, for that round's prompts, which show so many; not the contents `apart`."""
    with work.context.database.transaction() as session:
        step = loop_steps.job_id(session, work.claim.job_id, number - 1, loop_plan.FAILURES)
        result = jobs.get(session, work.claim.tenant_id, step, JobKind.EVALUATION).result or {}
    loss = loop_plan.loss_of(result)
    if loss is None:
        return []
    rows = EvaluationFiles.of(result["artifacts"]).rows
    losses = work.context.artifacts.get_table(rows.path, rows.sha256)[loss].to_pylist()
    return worst(target, losses, apart, shown)


def worst(
    target: Sequence[Record], losses: Sequence[float | None], apart: Collection[str], shown: int
) -> list[Record]:
    """The SHARE of the examples with the largest losses, in nats, at least twice as many as are shown."""
    found = [
        (loss, at)
        for at, (record, loss) in enumerate(zip(target, losses, strict=True))
        if loss is not None and record.content_hash not in apart
    ]
    count = max(2 * shown, math.ceil(SHARE * len(found)))
    return [target[at] for _, at in sorted(found, key=lambda one: (-one[0], one[1]))[:count]]
