"""The two solvers as methods: k rows in order, and what the solver has to report."""

from dataclasses import asdict, dataclass, replace

import numpy as np
import scipy.sparse
from torch import Tensor

from evoselect import exponentiated
from evoselect.arrays import Floats, Ints
from evoselect.baselines.transport_scores import dense_cosine
from evoselect.capacity.optimum import Optimum, refine, relax
from evoselect.capacity.rounding import solution_score
from evoselect.capacity.tuning import resolve, tradeoff_curve
from evoselect.redundancy.energy import LinearEnergy, LocalEnergy, SquaredEnergy
from evoselect.spec.selection import SelectionSpec
from evoselect.task import Task, top, within_memory
from evoselect.transport import Transport


@dataclass(frozen=True)
class Chosen:
    """What a method hands back: k distinct rows of the pool, most valuable first, and what it knows about
    them.
    """

    order: Ints  # (k,)
    score: Floats  # (k,), larger is better
    weights: Floats  # (k,), sum 1
    ot_gradient: Floats | None  # (k,)
    diagnostics: dict[str, object]
    transport: Transport | None = None  # of the k rows in this order, where the method knows one
    similarity: scipy.sparse.csr_array | None = None  # (k, k) of the rows in this order, where it is known


def by_capacity(
    pool: Tensor, targets: Tensor, masses: Floats, k: int, spec: SelectionSpec, s: float, seed: int
) -> Chosen:
    """Method ``capacity``, with ``auto`` settings resolved first."""
    spec, choices = resolve(pool, targets, masses, k, spec, s, seed)
    relaxation = relax(pool, targets, masses, k, spec)
    found = refine(pool, targets, relaxation, spec, s)
    chosen = _ordered(found, spec)
    if choices:
        chosen.diagnostics["auto"] = [asdict(choice) for choice in choices]
    if spec.tradeoff:
        chosen.diagnostics["tradeoff"] = tradeoff_curve(pool, targets, found, spec, s)
    return chosen


def _ordered(found: Optimum, spec: SelectionSpec) -> Chosen:
    """The solver's choice by how wanted each candidate is, and the solver's report."""
    problem, solution, relaxation = found.problem, found.solution, found.relaxation
    listed, score = problem.shortlist, solution_score(solution)
    places = found.rounded.chosen[np.lexsort((found.rounded.chosen, -score[found.rounded.chosen]))]
    diagnostics: dict[str, object] = {
        "converged": solution.converged,
        "iterations": solution.iterations,
        "residual": solution.residual,
        "epsilon": solution.epsilon,
        "lambda": spec.fixed_lambda,
        "lambda_cost": problem.lam,
        "transport_saved": relaxation.saved,
        "transport_lower_bound": relaxation.bound,
        "transport_relaxed": found.penalised.relaxed.transport,
        "certified": relaxation.certified,
        "shortlist_candidates": len(listed.candidates),
        "shortlist_edges": int(listed.cost.nnz),
        "shortlist_widenings": relaxation.widenings,
        "exchanges": found.rounded.exchanges,
        "rounded_away": max(0.0, 1.0 - float(solution.weights[places].sum() / solution.weights.sum())),
    }
    gradient = -(score + solution.state.c)[places]
    weights = np.full(problem.k, 1.0 / problem.k)
    carried, similarity = _carried(found, places), None
    if isinstance(problem.energy, LocalEnergy):
        similarity = problem.energy.similarity[places][:, places]
    order = listed.candidates[places]
    return Chosen(order, score[places], weights, gradient, diagnostics, carried, similarity)


def _carried(found: Optimum, places: Ints) -> Transport:
    """The transport of the rounded solution with its rows in the order of ``places``."""
    known = found.rounded.transport
    order = np.searchsorted(found.rounded.chosen, places)
    return replace(known, plan=known.plan[order], f=known.f[order])


def by_exponentiated(pool: Tensor, targets: Tensor, masses: Floats, k: int, spec: SelectionSpec) -> Chosen:
    """Method ``exponentiated`` on the dense cost matrix."""
    within_memory(Task(pool, targets, k, 0), "exponentiated")
    energy = SquaredEnergy(pool.float()) if spec.energy == "squared" else LinearEnergy(pool.float())
    found = exponentiated.solve(
        1.0 - dense_cosine(pool, targets),
        masses,
        energy,
        alpha=spec.alpha,
        lam=spec.fixed_lambda,
        epsilon=spec.fixed_epsilon,
        step=spec.step_size,
        steps=spec.iterations,
    )
    order = top(found.weights, k)
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
