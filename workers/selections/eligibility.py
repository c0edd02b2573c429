"""What becomes of every candidate: usable, or why it may not be selected."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from evoselect.arrays import Ints
from evoselect.spec.features import FeatureSpec
from evoselect.spec.selection import SelectionSpec
from store.errors import Invalid
from store.jobs.results import Counts
from store.records.record import Record
from workers.process.work import Work
from workers.selections.items import selected_items
from workers.selections.near_copies import content_keys
from workers.selections.side import Side


def excluded_contents(work: Work, selection_ids: Sequence[str]) -> set[str]:
    """Content hashes of what those selections hold."""
    return {
        item["content_hash"] for selection_id in selection_ids for item in selected_items(work, selection_id)
    }


def eligibility_of(target: Side, pool: Side, excluded: set[str], spec: SelectionSpec) -> list[str]:
    """Per pool row: usable, or why it may not be selected. Of equal contents only the first is usable."""
    poor = of_low_quality(pool.records, spec)
    same_text = bool(spec.near_copies and spec.near_copies.same_text)
    in_target = set(content_keys(target.records, same_text=same_text))
    contents = content_keys(pool.records, same_text=same_text)
    repeated = _repeated(lambda: content_keys(pool.records, same_text=same_text), pool.known.status)
    eligibility: list[str] = []
    hashes = pool.records.column("content_hash")
    rows = zip(hashes, contents, pool.known.status, poor, repeated, strict=True)
    for own, content, status, low, again in rows:
        if content in in_target:
            eligibility.append("in_target")
        elif own in excluded:
            eligibility.append("excluded")
        elif low:
            eligibility.append("low_quality")
        elif again:
            eligibility.append("exact_duplicate")
        else:
            eligibility.append("usable" if status == "ok" else status)
    return eligibility


def usable_of(eligibility: Sequence[str]) -> Ints:
    """(n,) the rows that may be selected, ascending."""
    rows = (row for row, reason in enumerate(eligibility) if reason == "usable")
    return np.fromiter(rows, dtype=np.int64)


def _repeated(contents: Callable[[], Iterable[str]], status: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(N,) whether an earlier row has the same content; one of a failed shard does not count.

    Contents are read twice where two have one 64-bit hash: a set of all of them takes much more memory.
    """
    hashes = np.fromiter(map(hash, contents()), dtype=np.int64, count=len(status))
    found, seen = np.zeros(len(status), dtype=bool), set[str]()
    values, counts = np.unique(hashes, return_counts=True)
    if not (counts > 1).any():
        return found
    doubtful = np.isin(hashes, values[counts > 1])
    for row, content in enumerate(contents()):
        if doubtful[row]:
            found[row] = content in seen
            if status[row] != "shard_failed":  # an equal one of another shard may do
                seen.add(content)
    return found


def require_enough(targets: int, k: int | None, eligibility: list[str]) -> None:
    """Raise Invalid where k candidates cannot be selected (None: any), or there is nothing to select for."""
    if not targets:
        raise Invalid(
            "no target example has usable features: they are longer than the model's window, "
            "or have no answer that it can learn from",
            code="no_usable_target",
        )
    left_out = Counter(eligibility)
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
    bad = Counter([*target.known.status, *pool.known.status])
    for status in ("ok", "shard_failed"):  # the latter is no row's fault, and was allowed
        bad.pop(status, None)
    if bad and spec.on_bad_row == "reject":
        raise Invalid(
            f"records without usable features: {dict(bad)}; remove them, or set features.on_bad_row to skip",
            code="bad_rows",
        )


def counts(target: Side, pool: Side, eligibility: list[str]) -> Counts:
    """Every row of both sides accounted for: pool = usable + all that was left out."""
    left_out = Counter(eligibility)
    return Counts(
        pool=len(pool.records),
        usable=left_out.pop("usable"),
        left_out=dict(sorted(left_out.items())),
        target=len(target.records),
        target_statuses=dict(Counter(target.known.status)),
        shortened={"pool": pool.known.shortened, "target": target.known.shortened},
    )


def rejected_of(pool: Side, eligibility: list[str]) -> Iterator[dict[str, str]]:
    """Every candidate that could not be selected, with the reason, in the order of the pool."""
    pairs = zip(pool.records.column("id"), eligibility, strict=True)
    return ({"id": id, "reason": reason} for id, reason in pairs if reason != "usable")


def of_low_quality(candidates: Sequence[Record], spec: SelectionSpec) -> list[bool]:
    """Per candidate whether its quality is below ``spec.least_quality``.

    Raises Invalid where a candidate has none: it would count as good or as bad, and nobody said which.
    """
    least = spec.least_quality
    if least is None:
        return [False] * len(candidates)
    known = [record.quality for record in candidates if record.quality is not None]
    if len(known) < len(candidates):
        unknown = next(record.id for record in candidates if record.quality is None)
        raise Invalid(
            f"least_quality is {least:g}, but {len(candidates) - len(known)} of {len(candidates)} candidates "
            f"have no quality, the first is {unknown:.80}: give one to each, or leave least_quality out",
            code="missing_quality",
        )
    return [quality < least for quality in known]
