"""The one entry: candidates, targets and a budget in; k candidates in order out.

check -> collapse exact duplicates -> choose by the method -> transport of the chosen -> reasons and
diagnostics
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoselect import diversity, optimum, reasons
from evoselect.baselines.round_robin import round_robin
from evoselect.baselines.scores import mean_cosine, random_scores, top
from evoselect.errors import InvalidInput
from evoselect.features import check_matrix, check_unit_rows, distinct_rows, gather
from evoselect.metrics import compare
from evoselect.optimum import Optimum
from evoselect.rounding import solution_score
from evoselect.selection import Floats, Ints, Reasons, Selection
from evoselect.spec.selection import SelectionSpec
from evoselect.transport import exact_transport


@dataclass(frozen=True)
class Chosen:
    """What a method hands back: k distinct rows, most valuable first, and what it knows about them."""

    order: Ints
    score: Floats
    ot_gradient: Floats | None
    diagnostics: dict[str, object]


def select(
    candidates: Tensor,
    targets: Tensor,
    k: int,
    spec: SelectionSpec,
    *,
    seed: int,
    content_ids: Sequence[str] | None = None,
) -> Selection:
    """Choose ``k`` of N candidates for M targets.

    candidates (N, d) and targets (M, d): finite rows of norm 1, any floating dtype.
    content_ids: N contents; candidates of equal content are collapsed to their first row before anything is
    solved, and so are rows of equal features as long as k distinct ones remain.
    Raises InvalidInput where the arguments cannot be used; non-convergence is ``diagnostics["converged"]``.
    """
    _check(candidates, targets, k, content_ids)
    kept = _distinct(candidates.shape[0], content_ids)
    collapsed = candidates.shape[0] - len(kept)
    if k > len(kept):
        raise InvalidInput(
            f"k = {k} exceeds the {len(kept)} distinct candidates ({collapsed} exact duplicates collapsed): "
            "lower k or add candidates"
        )
    pool = candidates if not collapsed else candidates[torch.from_numpy(kept).to(candidates.device)]
    single = distinct_rows(pool)
    # too few distinct rows: the copies fill the budget
    twins = len(kept) - len(single) if len(single) >= k else 0
    if twins:
        kept = kept[single]
        pool = pool[torch.from_numpy(single).to(pool.device)]
    goal = targets.to(candidates.device)
    s = diversity.bandwidth(pool, goal)
    masses = np.full(goal.shape[0], 1.0 / goal.shape[0])
    if spec.method == "capacity":
        chosen = _solved(optimum.optimise(pool, goal, masses, k, spec, s))
    else:
        chosen = _ranked(pool, goal, k, spec, seed)
    rows = gather(pool, torch.from_numpy(chosen.order))
    transport = exact_transport(rows, goal, masses)
    evidence = reasons.collect(rows, goal, transport, s)
    diagnostics: dict[str, object] = {
        "method": spec.method,
        "seed": seed,
        "k": k,
        "candidates": candidates.shape[0],
        "targets": targets.shape[0],
        "duplicates_collapsed": collapsed,
        "equal_features_collapsed": twins,
        "bandwidth": s,
        "transport": transport.cost,
        "transport_exact": transport.exact,
        **chosen.diagnostics,
        **_gap(transport.cost, chosen.diagnostics),
        "metrics": compare(pool, goal, masses, chosen.order, transport.cost, s, seed),
    }
    twin = evidence.nearest_selected
    return Selection(
        indices=kept[chosen.order],
        weights=np.full(k, 1.0 / k),
        repeats=np.ones(k, dtype=np.int64),
        reasons=Reasons(
            ot_gradient=chosen.ot_gradient,
            redundancy=evidence.redundancy,
            score=chosen.score,
            target_index=evidence.target,
            target_cosine=evidence.cosine,
            target_mass=evidence.mass,
            nearest_selected=np.where(twin < 0, -1, kept[chosen.order[twin]]),
        ),
        diagnostics=diagnostics,
    )


def _check(candidates: Tensor, targets: Tensor, k: int, content_ids: Sequence[str] | None) -> None:
    check_matrix(candidates, "candidates")
    check_matrix(targets, "targets")
    n = candidates.shape[0]
    if candidates.shape[1] != targets.shape[1]:
        raise InvalidInput(
            f"candidates have {candidates.shape[1]} features and targets {targets.shape[1]}; "
            "compute both with one feature specification"
        )
    if not 1 <= k <= n:
        raise InvalidInput(f"k = {k} is outside 1..{n}, the number of candidates")
    if content_ids is not None and len(content_ids) != n:
        raise InvalidInput(
            f"content_ids has {len(content_ids)} entries for {n} candidates; give one per candidate"
        )
    check_unit_rows(candidates, "candidates")
    check_unit_rows(targets, "targets")


def _distinct(n: int, content_ids: Sequence[str] | None) -> Ints:
    """Rows of the first occurrence of every content, ascending."""
    if content_ids is None:
        return np.arange(n, dtype=np.int64)
    first: dict[str, int] = {}
    for row, content in enumerate(content_ids):
        first.setdefault(content, row)
    return np.fromiter(first.values(), dtype=np.int64, count=len(first))


def _ranked(pool: Tensor, targets: Tensor, k: int, spec: SelectionSpec, seed: int) -> Chosen:
    if spec.method == "round_robin":
        return Chosen(round_robin(pool, targets, k), -np.arange(k, dtype=np.float64), None, {})
    score = random_scores(pool.shape[0], seed) if spec.method == "random" else mean_cosine(pool, targets)
    order = top(score, k)
    return Chosen(order, score[order], None, {})


def _solved(found: Optimum) -> Chosen:
    """Order the solver's choice by how wanted each candidate is, and report the solver."""
    problem, solution, listed = found.problem, found.solution, found.problem.shortlist
    score = solution_score(solution)
    places = found.rounded.chosen[np.lexsort((found.rounded.chosen, -score[found.rounded.chosen]))]
    diagnostics: dict[str, object] = {
        "converged": solution.converged,
        "iterations": solution.iterations,
        "residual": solution.residual,
        "epsilon": solution.epsilon,
        "lambda": problem.lam,
        "transport_lower_bound": found.bound,
        "transport_relaxed": found.relaxed.cost,
        "certified": found.certified,
        "shortlist_candidates": len(listed.candidates),
        "shortlist_edges": int(listed.cost.nnz),
        "shortlist_widenings": found.widenings,
        "exchanges": found.rounded.exchanges,
        "rounded_away": 1.0 - float(solution.weights[places].sum() / solution.weights.sum()),
    }
    return Chosen(listed.candidates[places], score[places], -(score + solution.state.c)[places], diagnostics)


def _gap(transport: float, diagnostics: dict[str, object]) -> dict[str, object]:
    """(OT(chosen) - bound) / bound: at lambda = 0 no k-subset is better by more; at lambda > 0 the price of
    diversity.
    """
    bound = diagnostics.get("transport_lower_bound")
    if not isinstance(bound, float):
        return {}
    return {"gap": max(0.0, transport - bound) / max(bound, 1e-9)}
