"""What a request for a selection may spend, and which candidates it pins, as rows that are usable."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evoselect.arrays import Ints
from evoselect.budget import Budget
from evoselect.errors import InvalidInput
from evoselect.spec.selection import SelectionSpec
from store.data import pools
from store.errors import Invalid
from store.jobs.requests import Featured, SelectionWork
from store.records.record import Record
from workers.process.work import Work
from workers.selections.balances import bounds_of
from workers.selections.side import Side

NAMED = 5  # names that a message lists


def require_known(work: Work, asked: Featured) -> None:
    """Refuse pinned names that the pool does not hold, before hours of work."""
    missing = dict.fromkeys(asked.pinned)
    if not missing:
        return
    with work.context.database.transaction() as session:
        pool = pools.get(session, work.claim.tenant_id, asked.pool_id)
        sources = pools.sources(session, pool, asked.pool_version)
    for source in sources:
        table = work.context.artifacts.get_table(source.artifact, source.sha256, ("id", "content_hash"))
        for column in table.columns:
            held = column.filter(pc.is_in(column, pa.array(list(missing), pa.string())))
            for name in held.to_pylist():
                missing.pop(name, None)
        work.progress(0)
    _require_none(list(missing))


def pinned_rows(names: Sequence[str], pool: Side, eligibility: Sequence[str]) -> list[int]:
    """The pool's row of each name, an id or a content hash, in the order of the names.

    Raises Invalid for a name that no candidate has, that several contents have, or whose candidate may not be
    selected.
    """
    found: dict[str, list[int]] = {name: [] for name in names}
    for row, record in enumerate(pool.records if found else ()):
        for name in {record.id, record.content_hash} & found.keys():
            found[name].append(row)
    _require_none([name for name, rows in found.items() if not rows])
    chosen = [_the_one(name, rows, pool.records, eligibility) for name, rows in found.items()]
    _require_once(list(found), chosen)
    return chosen


def budget_of(asked: SelectionWork, pool: Side, rows: Ints, eligibility: Sequence[str]) -> Budget:
    """Of the request, over the usable ``rows``, ascending, of the pool; raises Invalid where none can be."""
    pinned = np.searchsorted(rows, pinned_rows(asked.pinned, pool, eligibility)).tolist()
    if asked.k is not None:
        return _balanced(Budget.of_rows(len(rows), asked.k, pinned), asked.spec, pool, rows)
    budget = Budget.of_tokens(token_counts(asked.tokens_from, pool, rows), asked.tokens or 0, pinned)
    every, shortest = int(budget.prices.sum()), int(budget.prices.min())
    if not shortest <= budget.total <= every:
        raise Invalid(
            f"tokens is {budget.total}, and the {len(rows)} candidates that can be selected have {shortest} "
            f"at least and {every} together: ask for something between",
            code="tokens_out_of_reach",
        )
    if (spent := budget.spent(budget.pinned)) > budget.total:
        raise Invalid(
            f"the {len(pinned)} pinned candidates have {spent} tokens, and the budget is {budget.total}: pin "
            "fewer, or raise tokens",
            code="pinned_over_budget",
        )
    return _balanced(budget, asked.spec, pool, rows)


def _balanced(budget: Budget, spec: SelectionSpec, pool: Side, rows: Ints) -> Budget:
    """With the bounds of its groups; raises Invalid where no set meets them."""
    if spec.balance is None:
        return budget
    bounds = bounds_of(spec.balance, pool.records.at(rows), budget.total, counted=budget.counted)
    try:
        bounds.check(budget.prices, budget.total, budget.pinned)
    except InvalidInput as error:
        raise Invalid(str(error), code="unmet_balance") from None
    return replace(budget, bounds=bounds)


def token_counts(column: str | None, pool: Side, rows: Ints) -> Ints:
    """(len(rows),) tokens: of prompt and answer as the features counted them, or the column's numbers."""
    if column is None:
        return pool.known.tokens[rows].astype(np.int64)
    name = column.removeprefix("extra.")
    values = [(record.extra or {}).get(name) for record in pool.records.at(rows)]
    bad = [at for at, value in enumerate(values) if type(value) is not int or not 0 < value < 2**31]
    if bad:
        first = pool.records[int(rows[bad[0]])]
        raise Invalid(
            f"{len(bad)} of {len(rows)} candidates have no whole number above 0 in {column:.80}, the first "
            f"is {first.id:.80} with {values[bad[0]]!r:.40}: give each its tokens, or leave tokens_from out",
            code="missing_tokens",
        )
    return np.array(values, dtype=np.int64)


def _require_none(missing: Sequence[str]) -> None:
    if missing:
        raise Invalid(
            f"{len(missing)} pinned candidates are not in the pool, such as {_listed(missing)}: name ids or "
            "content hashes of the pool's version that is selected from",
            code="unknown_pinned",
        )


def _the_one(name: str, rows: Sequence[int], records: Sequence[Record], eligibility: Sequence[str]) -> int:
    """The usable row of that name."""
    usable = [row for row in rows if eligibility[row] == "usable"]
    if len({records[row].content_hash for row in rows}) > 1:
        raise Invalid(
            f"{len(rows)} candidates have the id {name:.80}, which is pinned: pin one by its content hash",
            code="ambiguous_pinned",
        )
    if not usable:
        raise Invalid(
            f"the pinned candidate {name:.80} cannot be selected ({eligibility[rows[0]]}): leave it out of "
            "pinned, or mend what is in its way",
            code="unusable_pinned",
        )
    return usable[0]


def _require_once(names: Sequence[str], chosen: Sequence[int]) -> None:
    first: dict[int, str] = {}
    for name, row in zip(names, chosen, strict=True):
        if row in first:
            raise Invalid(
                f"{first[row]:.80} and {name:.80} are one candidate, pinned twice: name it once",
                code="pinned_twice",
            )
        first[row] = name


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"{name:.80}" for name in names[:NAMED])
