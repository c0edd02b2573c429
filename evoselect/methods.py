"""Every method by the name that a request gives it: a Task in, the rows that its budget buys out, in order.

method capacity decides by tokens and around what is pinned; the others rank rows, and `within_budget` takes
what is pinned and then their rows in order until the budget is spent.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace

import numpy as np

from evoselect import exponentiated
from evoselect.arrays import Floats, Ints
from evoselect.baselines.registry import BASELINES
from evoselect.capacity.optimum import Optimum, refine, relax
from evoselect.capacity.rounding import solution_score
from evoselect.capacity.tuning import resolve, tradeoff_curve
from evoselect.cosines import dense_cosine
from evoselect.redundancy.energy import LinearEnergy, LocalEnergy, SquaredEnergy
from evoselect.spec.selection import SelectionSpec
from evoselect.task import Chosen, Method, Task, top, within_memory
from evoselect.transport import Transport


def by_capacity(task: Task) -> Chosen:
    """Method ``capacity``, with ``auto`` settings resolved first."""
    task, choices = resolve(task)
    task.staged("tuned")
    relaxation = relax(task)
    task.staged("relaxed")
    found = refine(task, relaxation)
    task.staged("chosen")
    chosen = _ordered(found, task.spec)
    if choices:
        chosen.diagnostics["auto"] = [asdict(choice) for choice in choices]
    if task.spec.tradeoff:
        chosen.diagnostics["tradeoff"] = tradeoff_curve(task, found)
        task.staged("curve")
    return chosen


def _ordered(found: Optimum, spec: SelectionSpec) -> Chosen:
    """The solver's choice by how wanted each candidate is, and the solver's report."""
    problem, solution, relaxation = found.problem, found.solution, found.relaxation
    listed, score = problem.shortlist, solution_score(solution)
    places = _pinned_first(found, score)
    spent = problem.budget.spent(places)
    diagnostics: dict[str, object] = {
        "converged": solution.converged,
        "iterations": solution.iterations,
        "residual": solution.residual,
        "epsilon": solution.epsilon,
        "lambda": spec.fixed_lambda,
        "lambda_cost": problem.lam,
        "transport_saved": relaxation.saved,
        "transport_lower_bound": relaxation.bound_at(spent),
        "transport_relaxed": found.penalised.relaxed.transport,
        "certified": relaxation.certified,
        "shortlist_candidates": len(listed.candidates),
        "shortlist_edges": int(listed.cost.nnz),
        "shortlist_widenings": relaxation.widenings,
        "exchanges": found.rounded.exchanges,
        "rounded_away": max(0.0, 1.0 - float(solution.weights[places].sum() / solution.weights.sum())),
    }
    gradient = -(score + solution.state.c)[places]
    weights = problem.budget.measure(places)
    carried, similarity = _carried(found, places), None
    if isinstance(problem.energy, LocalEnergy):
        similarity = problem.energy.similarity[places][:, places]
    order = listed.candidates[places]
    return Chosen(order, score[places], weights, gradient, diagnostics, carried, similarity)


def _pinned_first(found: Optimum, score: Floats) -> Ints:
    """Positions of the chosen: what is pinned as it was given, then by ``score`` (n,), ties by index."""
    chosen, pinned = found.rounded.chosen, found.problem.budget.pinned
    loose = chosen[found.problem.budget.free[chosen]]
    return np.concatenate([pinned, loose[np.lexsort((loose, -score[loose]))]])


def _carried(found: Optimum, places: Ints) -> Transport:
    """The transport of the rounded solution with its rows in the order of ``places``."""
    known = found.rounded.transport
    order = np.searchsorted(found.rounded.chosen, places)
    return replace(known, plan=known.plan[order], f=known.f[order])


def by_exponentiated(task: Task) -> Chosen:
    """Method ``exponentiated`` on the dense cost matrix."""
    within_memory(task, "exponentiated")
    spec, pool = task.spec, task.candidates[:].float()
    energy = SquaredEnergy(pool) if spec.energy == "squared" else LinearEnergy(pool)
    found = exponentiated.solve(
        1.0 - dense_cosine(pool, task.targets),
        task.masses,
        energy,
        alpha=spec.alpha,
        lam=spec.fixed_lambda,
        epsilon=spec.fixed_epsilon,
        step=spec.step_size,
        steps=spec.iterations,
    )
    order = task.budget.fill(top(found.weights, task.n))
    kept = found.weights[order]
    diagnostics: dict[str, object] = {
        "converged": found.converged,
        "iterations": found.steps,
        "step_halvings": found.halvings,
        "objective": found.objective,
        "frank_wolfe_gap": found.gap,
        "sinkhorn_converged": found.sinkhorn_converged,
        "epsilon": spec.fixed_epsilon,
        "lambda": spec.fixed_lambda,
        "rounded_away": max(0.0, 1.0 - float(kept.sum())),
    }
    return Chosen(order, np.log(np.maximum(kept, 1e-300)), kept / kept.sum(), found.f[order], diagnostics)


def within_budget(method: Method) -> Method:
    """``method`` asked for more and more rows until what is pinned and its rows in order spend the budget.

    Every row of a ranking counts by the budget's measure. A pinned row that the method does not name has the
    least of its scores.
    """

    def fitted(task: Task) -> Chosen:
        budget, count = task.budget, task.k if task.budget.bounds is None else task.n
        while True:
            ranked = method(replace(task, k=count, given=None))
            order = budget.fill(ranked.order)
            if count == task.n or budget.spent(order) >= budget.least(budget.total):
                break
            count = min(task.n, 2 * count)
        score = np.full(task.n, ranked.score.min())
        score[ranked.order] = ranked.score
        return Chosen(order, score[order], budget.measure(order), diagnostics=ranked.diagnostics)

    def plain(task: Task) -> Chosen:
        return method(task) if task.given is None else fitted(task)

    return plain


OWN: Mapping[str, Method] = {"capacity": by_capacity, "exponentiated": by_exponentiated}
METHODS: dict[str, Method] = {
    **OWN,
    **{name: within_budget(method) for name, method in BASELINES.items()},
}
