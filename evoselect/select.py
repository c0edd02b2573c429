"""The one entry: candidates, targets and a budget in; candidates in order out.

check -> leave copies out -> Task -> METHODS[method](task) -> Chosen -> transport of the chosen -> reasons and
diagnostics
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from evoselect import reasons
from evoselect.arrays import Floats, Ints
from evoselect.budget import Budget
from evoselect.errors import InvalidInput
from evoselect.features import check_matrix
from evoselect.groups.balance import balanced_shares
from evoselect.groups.masses import group_numbers, quota_shares, spread
from evoselect.measures.coverage import coverage
from evoselect.measures.metrics import compare
from evoselect.methods import METHODS
from evoselect.pools.pool import Pool
from evoselect.repeats import apportion
from evoselect.selection import Reasons, Selection
from evoselect.spec.selection import SelectionSpec
from evoselect.task import Chosen, Task
from evoselect.transport import exact_transport
from evoselect.usable import check, check_settings, usable_rows


@dataclass(frozen=True)
class Texts:
    """The texts behind the rows, for methods that read them."""

    candidates: Sequence[str]  # N
    targets: Sequence[str]  # M


def select(
    candidates: Tensor | Pool,
    targets: Tensor,
    k: int | Budget,
    spec: SelectionSpec,
    *,
    seed: int,
    groups: Sequence[str] | None = None,
    texts: Texts | None = None,
    compare_with_baselines: bool = True,
    staged: Callable[[str], None] = lambda stage: None,
) -> Selection:
    """Choose ``k`` of N candidates for M targets, or what a budget over the candidates buys.

    candidates (N, d) and targets (M, d): finite rows of norm 1, of float32, float16 or bfloat16. A pool in
    shards gives what it gives as one, to the last bit, by method capacity. Of candidates with equal features
    the first counts as long as the distinct ones can spend the budget, which the diagnostics say.
    groups: M group names that share the budget by ``spec.group_mode``. texts: for method dsir.
    compare_with_baselines: whether ``diagnostics["metrics"]`` compares with a random draw and the most
    relevant, and each target's coverage is reported. staged: told `chosen`, and by method capacity `tuned`,
    `relaxed` before and `curve` after it, as each is done. Raises InvalidInput where the arguments cannot be
    used, and what ``staged`` raises; non-convergence is ``diagnostics["converged"]``.
    """
    own, theirs = (None, None) if texts is None else (texts.candidates, texts.targets)
    if isinstance(candidates, Tensor):
        check_matrix(candidates, "candidates")
    every = Pool.of(candidates)
    whole_budget = k if isinstance(k, Budget) else Budget.of_rows(every.shape[0], k)
    check(
        every,
        targets,
        whole_budget,
        per_candidate={"texts.candidates": own},
        per_target={"groups": groups, "texts.targets": theirs},
    )
    check_settings(whole_budget, spec)
    rows = usable_rows(every, whole_budget)
    budget, pool = whole_budget.among(rows), every.among(rows)
    goal = targets.to(pool.device)
    numbers, names = group_numbers(groups) if groups is not None else (None, [])
    shares = _shares(pool, goal, budget, spec, groups=numbers, names=names)
    masses = np.full(goal.shape[0], 1.0 / goal.shape[0]) if numbers is None else spread(shares, numbers)
    sent = None if own is None else [own[row] for row in rows]
    given = None if budget.simple else budget
    task = Task(
        pool, goal, budget.count, seed, masses, spec, numbers, sent, theirs, given=given, staged=staged
    )
    chosen = METHODS[spec.method](task)
    staged("chosen")
    diagnostics = _told(
        task, chosen, budget, {name: float(share) for name, share in zip(names, shares, strict=True)}
    )
    diagnostics |= {
        "candidates": every.shape[0],
        "equal_features_collapsed": every.shape[0] - len(rows),
    }
    return _explained(
        task, rows, whole_budget, chosen, diagnostics=diagnostics, compared=compare_with_baselines
    )


def _told(task: Task, chosen: Chosen, budget: Budget, shares: dict[str, float]) -> dict[str, object]:
    """What the method and the problem say of the choice, with the ``shares`` of the groups."""
    return {
        "method": task.spec.method,
        "seed": task.seed,
        "k": len(chosen.order),
        "targets": task.m,
        "bandwidth": task.bandwidth,
        "group_shares": shares,
        **_spending(budget, chosen.order),
        **chosen.diagnostics,
    }


def _spending(budget: Budget, order: Ints) -> dict[str, object]:
    """What the budget was and how much of it the rows took; nothing where rows were counted."""
    said: dict[str, object] = {"pinned": len(budget.pinned)}
    if budget.bounds is not None:
        said["balance"] = budget.bounds.report(budget.prices, order)
    if budget.counted:
        return said
    spent = budget.spent(order)
    tokens = {"budget": budget.total, "spent": spent, "unspent_share": 1.0 - spent / budget.total}
    return said | {"tokens": tokens}


def _shares(
    pool: Pool,
    targets: Tensor,
    budget: Budget,
    spec: SelectionSpec,
    *,
    groups: Ints | None,
    names: Sequence[str],
) -> Floats:
    """(G,) shares of the groups; empty without groups."""
    if groups is None:
        if spec.group_mode != "mean":
            raise InvalidInput(f"group_mode {spec.group_mode!r} needs groups: give one name per target")
        return np.empty(0)
    if spec.quotas is not None:
        return quota_shares(spec.quotas, names)
    if spec.group_mode == "max":
        return balanced_shares(pool, targets, groups, budget)
    return np.full(len(names), 1.0 / len(names))


def _explained(
    task: Task,
    usable: Ints,
    budget: Budget,
    chosen: Chosen,
    *,
    diagnostics: dict[str, object],
    compared: bool,
) -> Selection:
    """The choice with its transport and reasons; ``usable`` (N',) names the task's rows."""
    rows = task.pool.gather(chosen.order)
    supply = task.budget.measure(chosen.order)
    transport = chosen.transport or exact_transport(rows, task.targets, task.masses, supply=supply)
    evidence = reasons.collect(rows, task.targets, transport, s=task.bandwidth, similarity=chosen.similarity)
    twin = evidence.nearest_selected
    diagnostics |= {"transport": transport.cost, "transport_exact": transport.exact}
    diagnostics |= _gap(transport.cost, diagnostics)
    covered = None
    if compared:
        diagnostics["metrics"] = compare(task, chosen.order, transport.cost)
        covered = coverage(rows, task.targets, task.masses)[1]
    columns = Reasons(
        ot_gradient=chosen.ot_gradient,
        redundancy=evidence.redundancy,
        score=chosen.score,
        target_index=evidence.target,
        target_cosine=evidence.cosine,
        target_mass=evidence.mass,
        nearest_selected=np.where(twin < 0, -1, usable[chosen.order[twin]]),
    )
    repeats = apportion(chosen.weights, task.spec.repeat_budget)
    served = reasons.served(transport, rows, task.targets)
    order = usable[chosen.order]
    return Selection(budget, order, chosen.weights, repeats, columns, served, diagnostics, covered)


def _gap(transport: float, diagnostics: dict[str, object]) -> dict[str, object]:
    """(OT(chosen) - bound) / bound: at lambda 0 no k-subset is better by more; above, diversity's price."""
    bound = diagnostics.get("transport_lower_bound")
    if not isinstance(bound, float):
        return {}
    return {"gap": max(0.0, transport - bound) / max(bound, 1e-9)}
