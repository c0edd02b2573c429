"""The items of a selection that another job builds on."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import orjson

from evoselect.arrays import Ints
from evoselect.selection import ItemReason
from store.jobs import lifecycle as jobs
from store.jobs.results import Rows, files_of
from store.kit.json import Json
from store.records import record as records
from store.records.record import Record
from store.results import items as selected
from store.tables.states import JobKind
from workers.process.work import Work
from workers.selections.near_copies import Flags


def selected_items(work: Work, selection_id: str) -> list[Json]:
    """All items of a completed selection of the same tenant, in rank order; raises NotFound."""
    with work.context.database.transaction() as session:
        job = jobs.get(session, work.claim.tenant_id, selection_id, JobKind.SELECTION)
    stored = files_of(job.result).items
    texts = selected.read(work.context.artifacts, stored, after=0, limit=stored.rows or 0)
    return [orjson.loads(text) for text in texts]


def item(
    reason: ItemReason,
    *,
    candidates: Mapping[int, Record] | Sequence[Record],
    targets: Sequence[Record],
    tokens: Sequence[int] | npt.NDArray[np.int32] | Ints,
    flags: Mapping[str, Flags],
) -> Json:
    """The line of one selected candidate, as clients read it.

    ``tokens`` (N,) of every candidate, 0 if unknown; ``flags`` as near-copies, {cluster, leaks} by content
    hash.
    """
    record = candidates[reason.index]
    twin = None if reason.nearest_selected is None else candidates[reason.nearest_selected].id
    return {
        "rank": reason.rank + 1,
        "id": record.id,
        "content_hash": record.content_hash,
        "weight": reason.weight,
        "repeats": reason.repeats,
        "tokens": int(tokens[reason.index]) or None,
        "pinned": reason.pinned,
        "score": reason.score,
        "ot_gradient": reason.ot_gradient,
        "redundancy": reason.redundancy,
        "nearest_selected": twin,
        "targets": [
            {"id": targets[near.index].id, "cosine": near.cosine, "mass": near.mass}
            for near in reason.targets
        ],
        **flags.get(record.content_hash, Flags(cluster=None, leaks=[])),
        "why": reason.why,
        "record": records.to_json(record),
    }


def picked(items: Sequence[Json]) -> Rows:
    """What a training on the items comes to."""
    whole = hashlib.sha256()
    for content, repeats in sorted((item["content_hash"], item["repeats"]) for item in items):
        whole.update(f"{content} {repeats}\n".encode())
    tokens = sum((item["tokens"] or 0) * item["repeats"] for item in items)
    return Rows(rows=sum(item["repeats"] for item in items), tokens=tokens, sha256=whole.hexdigest())
