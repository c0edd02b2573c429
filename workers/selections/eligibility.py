"""What becomes of every candidate: usable, or why it may not be selected."""

from collections import Counter
from collections.abc import Sequence

from evoselect.spec.features import FeatureSpec
from evoselect.spec.selection import SelectionSpec
from store.errors import Invalid
from store.jobs.results import Counts
from workers.process.work import Work
from workers.selections import qualities
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
    poor = qualities.low(pool.records, spec)
    same_text = bool(spec.near_copies and spec.near_copies.same_text)
    in_target = set(content_keys(target.records, same_text=same_text))
    contents = content_keys(pool.records, same_text=same_text)
    seen: set[str] = set()
    eligibility: list[str] = []
    hashes = pool.records.column("content_hash")
    for own, content, status, low in zip(hashes, contents, pool.known.status, poor, strict=True):
        if content in in_target:
            eligibility.append("in_target")
        elif own in excluded:
            eligibility.append("excluded")
        elif low:
            eligibility.append("low_quality")
        elif content in seen:
            eligibility.append("exact_duplicate")
        else:
            eligibility.append("usable" if status == "ok" else status)
        if status != "shard_failed":  # an equal one of another shard may do
            seen.add(content)
    return eligibility


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


def rejected_of(pool: Side, eligibility: list[str]) -> list[dict[str, str]]:
    """Every candidate that could not be selected, with the reason, in the order of the pool."""
    pairs = zip(pool.records.column("id"), eligibility, strict=True)
    return [{"id": id, "reason": reason} for id, reason in pairs if reason != "usable"]
