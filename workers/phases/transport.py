"""Phase `transport`: the features of pool and target become k items with reasons."""

import importlib.metadata
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from evoselect.coverage import Nearest, nearest_both_ways
from evoselect.select import Texts, select
from evoselect.selection import ItemReason, Selection
from evoselect.spec.features import FeatureSpec
from evoselect.spec.selection import SelectionSpec
from store.errors import Invalid
from store.records import record as records
from store.records.record import Record, plain_text
from store.results import considered
from store.results import items as selected
from workers.features.block_files import check_same_sketch
from workers.process import results
from workers.process.work import Outcome, Work
from workers.selections import axes as round_axes
from workers.selections import qualities
from workers.selections import report as selection_report
from workers.selections.conditioned import conditioned
from workers.selections.forms import forms_of
from workers.selections.items import selected_items
from workers.selections.sides import Side, load_computed, load_provided

MAX_CURVE = 200_000  # candidates up to which the trade-off is shown unasked: it about doubles the solving
MAX_REJECTED = 100  # rows named in the result; `counts` covers all
MAX_TARGETS = 1_000  # named with their coverage, those served worst first
VERSIONS = ("evoselect", "torch", "numpy", "scipy", "faiss-cpu", "POT")


def run(work: Work) -> Outcome:
    """Load both sides, keep what may be selected, condition, select, store the items."""
    home = work.context.settings.home
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=home) as scratch:
        return _run(work, Path(scratch))


def _run(work: Work, scratch: Path) -> Outcome:
    request = work.claim.request
    spec = FeatureSpec.model_validate(request["features"])
    load = load_provided if spec.kind == "provided" else load_computed
    target, pool = load(work, "target", scratch), load(work, "pool", scratch)
    check_same_sketch([target.block, pool.block])
    _refuse_bad_rows(spec, target, pool)
    goals = [row for row, status in enumerate(target.block.status) if status == "ok"]
    settings = SelectionSpec.model_validate(request["spec"])
    excluded = _excluded_contents(work, request["exclude_selection_ids"])
    fates = _fates(target, pool, excluded, settings)
    kept = [row for row, fate in enumerate(fates) if fate == "usable"]
    _require_enough(len(goals), request["k"], fates)
    sent, wanted = [pool.records[row] for row in kept], [target.records[row] for row in goals]
    forms = forms_of(sent, wanted, spec)
    states = pool.hidden(kept), target.hidden(goals)
    kind, candidates, targets = conditioned(
        spec, pool.values(kept), target.values(goals), scratch, hidden=states, forms=forms
    )
    work.progress(0)
    selection = select(
        candidates,
        targets,
        request["k"],
        _with_curve(settings, len(kept)),
        seed=request["seed"],
        groups=_groups(wanted),
        texts=Texts([plain_text(record) for record in sent], [plain_text(record) for record in wanted]),
    )
    results.check_items(selection)
    rows = [item(reason, sent, wanted) for reason in selection.items()]
    rejected = _rejected(pool, fates)
    stored = selected.put(work.context.artifacts, f"{work.claim.tenant_id}/items", rows)
    near = nearest_both_ways(candidates, targets)
    result = {
        "counts": _counts(target, pool, fates),
        "rejected": rejected[:MAX_REJECTED],
        "conditioning": kind,
        "forms": forms.shares(selection.indices.tolist()) if forms else None,
        "features": pool.outlook,
        "diagnostics": selection.diagnostics,
        "coverage": _coverage(selection, wanted),
        "manifest": {
            "sketch": pool.block.sketch,
            "spec": settings.model_dump(mode="json", by_alias=True),
            "match": spec.match,
            "seed": request["seed"],
            "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
        },
        "artifacts": {
            "items": stored,
            "rejected": _store_rejected(work, rejected),
            "considered": _store_considered(work, sent, wanted, near),
            **selection_report.store(
                work.context.artifacts,
                work.claim.tenant_id,
                request["seed"],
                sent,
                wanted,
                candidates,
                targets,
                selection,
                near,
                round_axes.of_loop(work, candidates.shape[1]),
            ),
        },
    }
    return Outcome({}, results.checked(results.SelectionResult, result))


def _excluded_contents(work: Work, selection_ids: list[str]) -> set[str]:
    return {
        item["content_hash"] for selection_id in selection_ids for item in selected_items(work, selection_id)
    }


def _fates(target: Side, pool: Side, excluded: set[str], spec: SelectionSpec) -> list[str]:
    """Per pool row: usable, or why it may not be selected. Of equal contents only the first is usable."""
    poor = qualities.low(pool.records, spec)
    in_target = {record.content_hash for record in target.records}
    seen: set[str] = set()
    fates: list[str] = []
    for record, status, low in zip(pool.records, pool.block.status, poor, strict=True):
        content = record.content_hash
        if content in in_target:
            fates.append("in_target")
        elif content in excluded:
            fates.append("excluded")
        elif low:
            fates.append("low_quality")
        elif content in seen:
            fates.append("exact_duplicate")
        else:
            fates.append("usable" if status == "ok" else status)
        if status != "shard_failed":  # an equal one of another shard may do
            seen.add(content)
    return fates


def _require_enough(targets: int, k: int, fates: list[str]) -> None:
    if not targets:
        raise Invalid(
            "no target example has usable features: they are longer than the model's window, "
            "or have no answer that it can learn from",
            code="no_usable_target",
        )
    left_out = Counter(fates)
    usable = left_out.pop("usable", 0)
    if usable < k:
        raise Invalid(
            f"k is {k} but only {usable} of {len(fates)} candidates can be selected "
            f"(left out: {dict(left_out)}): ask for fewer, or add candidates",
            code="too_few_usable",
        )


def _refuse_bad_rows(spec: FeatureSpec, target: Side, pool: Side) -> None:
    bad = Counter([*target.block.status, *pool.block.status])
    for status in ("ok", "shard_failed"):  # the latter is no row's fault, and was allowed
        bad.pop(status, None)
    if bad and spec.on_bad_row == "reject":
        raise Invalid(
            f"records without usable features: {dict(bad)}; remove them, or set features.on_bad_row to skip",
            code="bad_rows",
        )


def _with_curve(spec: SelectionSpec, candidates: int) -> SelectionSpec:
    """The report shows the trade-off wherever it is cheap beside the features."""
    wanted = spec.method == "capacity" and candidates <= MAX_CURVE
    return spec.model_copy(update={"tradeoff": True}) if wanted else spec


def _groups(targets: list[Record]) -> list[str] | None:
    """One group name per target, or None where no target has one."""
    names = [record.group for record in targets]
    named = [name for name in names if name is not None]
    if not named:
        return None
    if len(named) < len(names):
        raise Invalid(
            f"{len(named)} of {len(names)} target examples have a group: give one to each, or to none",
            code="mixed_groups",
        )
    return named


def item(reason: ItemReason, candidates: list[Record], targets: list[Record]) -> dict[str, Any]:
    """The line of one selected candidate, as clients read it."""
    record = candidates[reason.index]
    twin = None if reason.nearest_selected is None else candidates[reason.nearest_selected].id
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
            {"id": targets[near.index].id, "cosine": near.cosine, "mass": near.mass}
            for near in reason.targets
        ],
        "why": reason.why,
        "record": records.to_json(record),
    }


def _coverage(selection: Selection, targets: list[Record]) -> list[dict[str, Any]]:
    """Targets by the largest cosine of a selected item to them, the worst served first."""
    if selection.coverage is None:
        return []
    order = np.argsort(selection.coverage, kind="stable")[:MAX_TARGETS]
    return [{"id": targets[row].id, "cosine": float(selection.coverage[row])} for row in order]


def _counts(target: Side, pool: Side, fates: list[str]) -> dict[str, Any]:
    """Every row of both sides accounted for: pool = usable + all that was left out."""
    left_out = Counter(fates)
    return {
        "pool": len(pool.records),
        "usable": left_out.pop("usable"),
        "left_out": dict(sorted(left_out.items())),
        "target": len(target.records),
        "target_statuses": dict(Counter(target.block.status)),
    }


def _rejected(pool: Side, fates: list[str]) -> list[dict[str, str]]:
    """Every candidate that could not be selected, with the reason, in the order of the pool."""
    pairs = zip(pool.records, fates, strict=True)
    return [{"id": record.id, "reason": fate} for record, fate in pairs if fate != "usable"]


def _store_rejected(work: Work, rejected: list[dict[str, str]]) -> dict[str, Any]:
    lines = b"".join(orjson.dumps(row) + b"\n" for row in rejected)
    stored = work.context.artifacts.put_bytes(f"{work.claim.tenant_id}/rejected", lines, ".jsonl")
    return {"path": stored.path, "sha256": stored.sha256, "rows": len(rejected)}


def _store_considered(work: Work, sent: list[Record], wanted: list[Record], near: Nearest) -> dict[str, Any]:
    """Every usable candidate with its nearest target: what can be said of those that were not selected."""
    return considered.put(
        work.context.artifacts,
        f"{work.claim.tenant_id}/considered",
        ids=[record.id for record in sent],
        hashes=[record.content_hash for record in sent],
        nearest=[wanted[row].id for row in near.target.tolist()],
        cosines=near.cosine.tolist(),
    )
