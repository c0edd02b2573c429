"""Phase `transport`: the features of pool and target become k items with reasons."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from evoselect.conditioning import condition
from evoselect.select import select
from evoselect.selection import ItemReason
from evoselect.spec.features import FeatureSpec
from evoselect.spec.selection import SelectionSpec
from store import feature_blocks, records, selected, shards
from store.errors import ArtifactCorrupt, Invalid
from store.models import Shard
from store.records import Record
from workers.blocks import STATUSES, Block, concatenate, count_statuses, decode
from workers.job_task import Outcome, Work
from workers.selected_items import selected_items


@dataclass(frozen=True, slots=True)
class Side:
    """Records of one role and their features, row by row."""

    records: list[Record]
    block: Block

    @property
    def ok(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """(n,) rows that have features."""
        return self.block.status == STATUSES.index("ok")


def run(work: Work) -> Outcome:
    """Load both sides, keep what may be selected, condition, select, store the items."""
    request = work.claim.request
    target, pool = _load(work, "target"), _load(work, "pool")
    excluded = _excluded_contents(work, request["exclude_selection_ids"])
    reasons_out = _reasons_to_drop(target, pool, excluded)
    keep = np.array([reason is None for reason in reasons_out])
    _require_enough(int(keep.sum()), int(target.ok.sum()), request["k"], reasons_out)
    features = FeatureSpec.model_validate(request["features"])
    _refuse_bad_rows(features, target, pool)
    candidates, targets = condition(pool.block.values[keep], target.block.values[target.ok], features)
    work.progress(0)
    kept = [record for record, usable in zip(pool.records, keep, strict=True) if usable]
    goals = [record for record, usable in zip(target.records, target.ok, strict=True) if usable]
    selection = select(
        candidates,
        targets,
        request["k"],
        SelectionSpec.model_validate(request["spec"]),
        seed=request["seed"],
        content_ids=[record.content_hash for record in kept],
    )
    rows = [_item(reason, kept, goals) for reason in selection.items()]
    stored = selected.put(work.context.artifacts, f"{work.claim.tenant_id}/items", rows)
    result = {
        "artifacts": {"items": stored},
        "counts": _counts(target, pool, reasons_out),
        "rejected": _rejected(pool, reasons_out),
        "diagnostics": selection.diagnostics,
    }
    return Outcome({}, result)


def _load(work: Work, role: str) -> Side:
    artifacts = work.context.artifacts
    with work.context.database.transaction() as session:
        parts = [
            part
            for part in shards.of_phase(session, work.claim.job_id, "features")
            if part.payload["role"] == role
        ]
    rows: list[Record] = []
    blocks: list[Block] = []
    for part in parts:
        payload = part.payload
        table = artifacts.get_table(payload["artifact"], payload["sha256"])
        rows += records.from_table(table.slice(payload["start"], payload["stop"] - payload["start"]))
        blocks += [_read_block(work, block) for block in _blocks_of(part)]
        work.progress(0)
    return Side(rows, concatenate(blocks))


def _blocks_of(part: Shard) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (part.result or {})["blocks"]
    return found


def _read_block(work: Work, block: dict[str, Any]) -> Block:
    """A stored block, its hash checked; a damaged one is forgotten, so that trying again computes it."""
    try:
        return decode(work.context.artifacts.get_bytes(block["artifact"], block["sha256"]))
    except ArtifactCorrupt:
        with work.context.database.transaction() as session:
            feature_blocks.forget(session, work.claim.tenant_id, block["key"])
        raise


def _excluded_contents(work: Work, selection_ids: list[str]) -> set[str]:
    return {
        item["content_hash"] for selection_id in selection_ids for item in selected_items(work, selection_id)
    }


def _reasons_to_drop(target: Side, pool: Side, excluded: set[str]) -> list[str | None]:
    """Per pool row, why it may not be selected; None where it may."""
    in_target = {record.content_hash for record in target.records}
    reasons: list[str | None] = []
    for record, status in zip(pool.records, pool.block.status, strict=True):
        if record.content_hash in in_target:
            reasons.append("in_target")
        elif record.content_hash in excluded:
            reasons.append("excluded")
        else:
            reasons.append(None if STATUSES[status] == "ok" else STATUSES[status])
    return reasons


def _require_enough(usable: int, targets: int, k: int, reasons: list[str | None]) -> None:
    if not targets:
        raise Invalid(
            "no target example has usable features: they are longer than the model's window, "
            "or have no answer that it can learn from",
            code="no_usable_target",
        )
    if usable < k:
        lost = {reason: reasons.count(reason) for reason in set(reasons) if reason}
        raise Invalid(
            f"k is {k} but only {usable} of {len(reasons)} candidates can be selected (left out: {lost}): "
            "ask for fewer, or add candidates",
            code="too_few_usable",
        )


def _refuse_bad_rows(spec: FeatureSpec, target: Side, pool: Side) -> None:
    bad = count_statuses(concatenate([target.block, pool.block]))
    bad.pop("ok", None)
    if bad and spec.on_bad_row == "reject":
        raise Invalid(
            f"records without usable features: {bad}; remove them, or set features.on_bad_row to skip",
            code="bad_rows",
        )


def _item(reason: ItemReason, kept: list[Record], goals: list[Record]) -> dict[str, Any]:
    record = kept[reason.index]
    twin = None if reason.nearest_selected is None else kept[reason.nearest_selected].id
    return {
        "rank": reason.rank + 1,
        "id": record.id,
        "content_hash": record.content_hash,
        "weight": reason.weight,
        "repeats": reason.repeats,
        "score": reason.score,
        "ot_gradient": reason.ot_gradient,
        "redundancy": reason.redundancy,
        "nearest_selected": twin,
        "targets": [
            {"id": goals[near.index].id, "cosine": near.cosine, "mass": near.mass} for near in reason.targets
        ],
        "why": reason.why,
        "record": records.to_json(record),
    }


def _counts(target: Side, pool: Side, reasons: list[str | None]) -> dict[str, Any]:
    """Every row of both sides accounted for."""
    dropped = {reason: reasons.count(reason) for reason in sorted({reason for reason in reasons if reason})}
    return {
        "pool": len(pool.records),
        "usable": reasons.count(None),
        "left_out": dropped,
        "target": len(target.records),
        "target_statuses": count_statuses(target.block),
    }


def _rejected(pool: Side, reasons: list[str | None], limit: int = 100) -> list[dict[str, str]]:
    """The first rows that could not be selected, with the reason."""
    found = [(record.id, reason) for record, reason in zip(pool.records, reasons, strict=True) if reason]
    return [{"id": record_id, "reason": reason} for record_id, reason in found[:limit]]
