"""What becomes of every candidate: usable, or why it may not be selected."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import orjson

from evoselect.arrays import Ints
from evoselect.spec.features import FeatureSpec
from evoselect.spec.selection import SelectionSpec
from evoselect.usable import repeated
from store.artifacts import StoredFile
from store.errors import Invalid
from store.jobs.results import Counts
from store.records.record import Record
from workers.features.statuses import Mask, Statuses
from workers.process.work import Work
from workers.selections.items import selected_items
from workers.selections.near_copies import content_keys
from workers.selections.side import Side

MAX_REJECTED = 100  # rows named in the result; `counts` covers all


def excluded_contents(work: Work, selection_ids: Sequence[str]) -> set[str]:
    """Content hashes of what those selections hold."""
    return {
        item["content_hash"] for selection_id in selection_ids for item in selected_items(work, selection_id)
    }


def eligibility_of(target: Side, pool: Side, excluded: set[str], spec: SelectionSpec) -> Statuses:
    """Per pool row: usable, or why it may not be selected. Of equal contents only the first is usable."""
    poor = of_low_quality(pool.records, spec)
    same_text = bool(spec.near_copies and spec.near_copies.same_text)
    in_target = set(content_keys(target.records, same_text=same_text))

    def contents() -> Iterable[str]:
        return content_keys(pool.records, same_text=same_text)

    eligibility = pool.known.status.copy()
    eligibility.give(eligibility.are("ok"), "usable")
    eligibility.give(_repeated(contents, pool.known.status), "exact_duplicate")
    eligibility.give(poor, "low_quality")
    eligibility.give(pool.records.among("content_hash", excluded), "excluded")
    if same_text:  # keys are made of the texts
        held = np.fromiter((content in in_target for content in contents()), dtype=bool, count=len(poor))
    else:
        held = pool.records.among("content_hash", in_target)
    eligibility.give(held, "in_target")
    return eligibility


def usable_of(eligibility: Statuses) -> Ints:
    """(n,) the rows that may be selected, ascending."""
    return eligibility.rows("usable")


def _repeated(contents: Callable[[], Iterable[str]], status: Statuses) -> Mask:
    """(N,) whether an earlier row has the same content; one of a failed shard does not count.

    Contents are read twice where two have one 64-bit hash: a set of all of them takes much more memory.
    """
    hashes = np.fromiter(map(hash, contents()), dtype=np.int64, count=len(status))
    found, seen = np.zeros(len(status), dtype=bool), set[str]()
    doubtful = repeated(hashes)
    if not doubtful.any():
        return found
    for row, content in enumerate(contents()):
        if doubtful[row]:
            found[row] = content in seen
            if status[row] != "shard_failed":  # an equal one of another shard may do
                seen.add(content)
    return found


def require_enough(targets: int, k: int | None, eligibility: Statuses) -> None:
    """Raise Invalid where k candidates cannot be selected (None: any), or there is nothing to select for."""
    if not targets:
        raise Invalid(
            "no target example has usable features: they are longer than the model's window, "
            "or have no answer that it can learn from",
            code="no_usable_target",
        )
    left_out = eligibility.counts()
    usable = left_out.pop("usable", 0)
    if usable < (k or 1):
        wanted = "the budget is in tokens" if k is None else f"k is {k}"
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.most_common())
        raise Invalid(
            f"{wanted} but only {usable} of {len(eligibility)} candidates can be selected "
            f"(left out: {reasons}): {f'ask for at most {usable}, or ' if usable else ''}add candidates",
            code="too_few_usable",
        )


def refuse_bad_rows(spec: FeatureSpec, target: Side, pool: Side) -> None:
    """Raise Invalid for rows without usable features where the user wants them refused."""
    bad = target.known.status.counts() + pool.known.status.counts()
    for status in ("ok", "shard_failed"):  # the latter is no row's fault, and was allowed
        bad.pop(status, None)
    if bad and spec.on_bad_row == "reject":
        raise Invalid(
            f"records without usable features: {dict(bad)}; remove them, or set features.on_bad_row to skip",
            code="bad_rows",
        )


def counts(target: Side, pool: Side, eligibility: Statuses) -> Counts:
    """Every row of both sides accounted for: pool = usable + all that was left out."""
    left_out = eligibility.counts()
    return Counts(
        pool=len(pool.records),
        usable=left_out.pop("usable"),
        left_out=dict(sorted(left_out.items())),
        target=len(target.records),
        target_statuses=dict(target.known.status.counts()),
        shortened={"pool": pool.known.shortened, "target": target.known.shortened},
    )


def rejected_of(pool: Side, eligibility: Statuses) -> Iterator[dict[str, str]]:
    """Every candidate that could not be selected, with the reason, in the order of the pool."""
    rows = np.flatnonzero(~eligibility.are("usable"))
    pairs = zip(pool.records.at(rows).column("id"), eligibility.at(rows), strict=True)
    return ({"id": id, "reason": reason} for id, reason in pairs)


def store_rejected(work: Work, pool: Side, eligibility: Statuses) -> tuple[StoredFile, list[dict[str, str]]]:
    """A line for each candidate that could not be selected, and the first of them."""
    first: list[dict[str, str]] = []
    count = 0
    with tempfile.TemporaryFile(dir=work.context.settings.home) as file:
        for count, row in enumerate(rejected_of(pool, eligibility), start=1):
            file.write(orjson.dumps(row) + b"\n")
            if count <= MAX_REJECTED:
                first.append(row)
        stored = work.context.artifacts.put_stream(f"{work.claim.tenant_id}/rejected", file, ".jsonl")
    return stored.reference(rows=count), first


def of_low_quality(candidates: Sequence[Record], spec: SelectionSpec) -> Mask:
    """Per candidate whether its quality is below ``spec.least_quality``.

    Raises Invalid where a candidate has none: it would count as good or as bad, and nobody said which.
    """
    least = spec.least_quality
    if least is None:
        return np.zeros(len(candidates), dtype=bool)
    own = (np.nan if record.quality is None else record.quality for record in candidates)
    known = np.fromiter(own, dtype=np.float64, count=len(candidates))
    if missing := int(np.isnan(known).sum()):
        unknown = next(record.id for record in candidates if record.quality is None)
        raise Invalid(
            f"least_quality is {least:g}, but {missing} of {len(candidates)} candidates "
            f"have no quality, the first is {unknown:.80}: give one to each, or leave least_quality out",
            code="missing_quality",
        )
    return np.asarray(known < least)
