"""Solver ``capacity``: entropic transport from capped weights, with a redundancy term (ours).

    minimise over w:  OT_eps(w, b; C) + (lambda / 2) k w' K w    subject to 0 <= w_i <= 1/k, sum w = 1

Alternating maximisation of the dual in the target potentials g and the capacity multipliers a <= 0, with the
redundancy linearised as an extra cost c = lambda k K w and updated with damping; epsilon is annealed with
warm starts. The plan is P_ij = exp((a_i - c_i + g_j - C_ij) / eps), the weights are its row sums. A target
with a finite radius may also ship to a virtual candidate at that radius, so every shortlist is feasible and
the mass that goes there says which to widen.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse

from evoselect.shortlist import Floats, Shortlist

FIRST_EPSILON = 0.2  # in cosine: about the spread of the costs, where Sinkhorn converges in a few steps
COOLING = 0.5
STAGE_ITERATIONS = 10  # per epsilon on the way down: a warm start needs no more
REDUNDANCY_PERIOD = 5  # Sinkhorn steps between two updates of c
DAMPING = 0.5
MAX_LOG_SCALE = 200.0  # exp(200) is far inside float64; beyond it the scalings move into the potentials


@dataclass(frozen=True)
class State:
    """Potentials over the shortlist's n candidates and M targets, in units of cost; float64."""

    a: Floats  # (n,) capacity multipliers, <= 0
    c: Floats  # (n,) redundancy cost
    g: Floats  # (M,) target potentials


@dataclass(frozen=True)
class CapacitySolution:
    """Weights of the relaxed problem and how well they satisfy it."""

    state: State
    weights: Floats  # (n,) in [0, 1/k], sum 1 up to the residual
    plan: scipy.sparse.csr_array  # (M, n) transported mass; its columns sum to ``weights``
    epsilon: float
    iterations: int
    residual: float  # share of the mass above the caps, plus the last weighted mean move of c
    converged: bool
    leaving: Floats  # (M,) share of each target's mass that would rather go beyond its shortlist


@dataclass(frozen=True)
class Problem:
    """One shortlist, the masses of the targets (M,), the budget k and the redundancy graph (n, n)."""

    shortlist: Shortlist
    masses: Floats
    k: int
    similarity: scipy.sparse.csr_array | None  # K, symmetric, zero diagonal; None where lambda is 0
    lam: float

    def redundancy(self, weights: Floats) -> Floats:
        """k (K w)_i: how many twins of candidate i the weights hold, in selected items."""
        if self.similarity is None:
            return np.zeros_like(weights)
        return np.asarray(self.k * (self.similarity @ weights))


def solve(problem: Problem, epsilon: float, tolerance: float, max_iterations: int) -> CapacitySolution:
    """Anneal from FIRST_EPSILON down to ``epsilon`` and iterate there until the residual is below
    ``tolerance``.
    """
    state = start(problem)
    iterations = 0
    stage = max(FIRST_EPSILON, epsilon)
    while stage > epsilon:
        state, _, _ = _sweep(problem, state, stage, STAGE_ITERATIONS)
        iterations += STAGE_ITERATIONS
        stage = max(epsilon, stage * COOLING)
    residual = np.inf
    while residual > tolerance and iterations < max_iterations:
        state, weights, residual = _sweep(problem, state, epsilon, STAGE_ITERATIONS)
        iterations += STAGE_ITERATIONS
    plan = plan_of(problem.shortlist, state, epsilon)
    weights = np.minimum(np.asarray(plan.sum(axis=0)).ravel(), 1.0 / problem.k)
    leaving = np.exp(np.minimum((state.g - problem.shortlist.radius) / epsilon, 0.0))
    return CapacitySolution(
        state, weights, plan, epsilon, iterations, float(residual), bool(residual <= tolerance), leaving
    )


def start(problem: Problem) -> State:
    """Zero multipliers, and target potentials at each target's cheapest edge."""
    shortlist = problem.shortlist
    n = len(shortlist.candidates)
    nearest_cost = np.minimum.reduceat(shortlist.cost.data, shortlist.cost.indptr[:-1])
    return State(np.zeros(n), np.zeros(n), nearest_cost)


def plan_of(shortlist: Shortlist, state: State, epsilon: float) -> scipy.sparse.csr_array:
    """P as (M, n): exp((a_i - c_i + g_j - C_ij) / eps) on the edges."""
    cost = shortlist.cost
    exponent = (state.a - state.c)[cost.indices] + np.repeat(state.g, np.diff(cost.indptr)) - cost.data
    data = np.exp(np.minimum(exponent / epsilon, MAX_LOG_SCALE))
    return scipy.sparse.csr_array((data, cost.indices, cost.indptr), shape=cost.shape)


def _sweep(problem: Problem, state: State, epsilon: float, count: int) -> tuple[State, Floats, float]:
    """``count`` steps of (g, a), with c renewed every REDUNDANCY_PERIOD; the last step is one in a."""
    moved = 0.0
    weights = np.zeros_like(state.a)
    done = 0
    while done < count:
        steps = min(REDUNDANCY_PERIOD if problem.similarity is not None else count, count - done)
        state, weights, above = _scale(problem, state, epsilon, steps)
        done += steps
        if problem.similarity is not None:
            wanted = problem.lam * problem.redundancy(weights)
            moved = float(weights @ np.abs(wanted - state.c)) / max(weights.sum(), 1e-300)
            state = replace(state, c=state.c + DAMPING * (wanted - state.c))
    return state, weights, above + moved


def _scale(problem: Problem, state: State, epsilon: float, steps: int) -> tuple[State, Floats, float]:
    """Sinkhorn scalings on the plan of ``state``; returns the absorbed state, the capped weights, the mass
    above caps.
    """
    state = _row_shift(problem.shortlist, state, epsilon)
    plan = plan_of(problem.shortlist, state, epsilon)
    columns = plan.T.tocsr()
    beyond = problem.masses * np.exp((state.g - problem.shortlist.radius) / epsilon)
    cap = 1.0 / problem.k
    free = np.exp(np.minimum(-state.a / epsilon, MAX_LOG_SCALE))  # scaling at which a_i returns to 0
    u = np.ones_like(state.a)
    above = 0.0
    for _ in range(steps):
        v = problem.masses / np.maximum(plan @ u + beyond, 1e-300)
        reach = np.maximum(columns @ v, 1e-300)
        above = float(np.maximum(u * reach - cap, 0.0).sum())
        u = np.minimum(free, cap / reach)
    state = State(
        np.minimum(0.0, state.a + epsilon * np.log(u)),
        state.c,
        state.g + epsilon * np.log(np.clip(v, 1e-300, None)),
    )
    return state, np.asarray(u * reach), above


def _row_shift(shortlist: Shortlist, state: State, epsilon: float) -> State:
    """Set each g_j so that its largest exponent is 0: no row of the plan under- or overflows."""
    cost = shortlist.cost
    exponent = (state.a - state.c)[cost.indices] - cost.data
    return replace(state, g=-np.maximum(np.maximum.reduceat(exponent, cost.indptr[:-1]), -shortlist.radius))
