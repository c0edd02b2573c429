"""Solver ``capacity``: entropic transport from capped weights, with a redundancy term (ours).

    minimise over w:  OT_eps(w, b; C) + (lambda / 2) k w' K w    subject to 0 <= w_i <= u_i, sum w = 1

The caps u are 1/k, or a candidate's share of the token budget; what is pinned has w_i = u_i.

Alternating maximisation of the dual in the target potentials g and the capacity multipliers a <= 0 (of either
sign where pinned), with the
redundancy linearised as an extra cost c = lambda k K w and updated with damping; epsilon is annealed with
warm starts. The plan is P_ij = exp((a_i - c_i + g_j - C_ij) / eps), the weights are its row sums. A target
with a finite radius may also ship to a virtual candidate at that radius, so every shortlist is feasible and
the mass that goes there says which to widen.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse

from evoselect.arrays import Floats
from evoselect.budget import Budget
from evoselect.capacity.shortlist import Shortlist
from evoselect.redundancy.energy import Energy

FIRST_EPSILON = 0.2  # in cosine: about the spread of the costs, where Sinkhorn converges in a few steps
COOLING = 0.5
STAGE_ITERATIONS = 10  # per epsilon on the way down: a warm start needs no more
REDUNDANCY_PERIOD = 5  # Sinkhorn steps between two updates of c
DAMPING = 1.0  # share of the way that c moves to its new value; less once the residual grows
SHARPENING = (2.0, 4.0, 4.0)  # epsilon over these, for the bound
CLOSING_SWEEPS = 10  # that bring home what went beyond; the last of it is spread
BACK_OFF = 0.7  # of the damping, whenever the residual has grown
LEAST_DAMPING = 0.02
MAX_LOG_SCALE = 200.0  # exp(200) is far inside float64; beyond it the scalings move into the potentials


@dataclass(frozen=True)
class State:
    """Potentials over the shortlist's n candidates and M targets, in units of cost; float64."""

    a: Floats  # (n,) capacity multipliers, <= 0 but where pinned
    c: Floats  # (n,) redundancy cost
    g: Floats  # (M,) target potentials


@dataclass(frozen=True)
class CapacitySolution:
    """Weights of the relaxed problem and how well they satisfy it."""

    state: State
    weights: Floats  # (n,) in [0, cap], sum 1 up to the residual
    plan: scipy.sparse.csr_array  # (M, n) transported mass; its columns sum to ``weights``
    epsilon: float
    iterations: int
    residual: float  # share of the mass that the last step moved, plus the last weighted mean move of c
    converged: bool
    leaving: Floats  # (M,) share of each target's mass that would rather go beyond its shortlist


@dataclass(frozen=True)
class Problem:
    """One shortlist, the masses of the targets, its budget and the redundancy."""

    shortlist: Shortlist
    masses: Floats  # (M,) sum 1
    budget: Budget  # over the n candidates
    energy: Energy | None = None  # of redundancy among the n candidates; None where lambda is 0
    lam: float = 0.0  # in units of cost

    def redundancy(self, weights: Floats) -> Floats:
        """weights (n,) -> (n,) gradient of the energy there; zeros where there is none."""
        return np.zeros_like(weights) if self.energy is None else self.energy.gradient(weights)


def solve(
    problem: Problem, *, epsilon: float, tolerance: float, max_iterations: int, warm: State | None = None
) -> CapacitySolution:
    """Anneal from FIRST_EPSILON to ``epsilon`` and iterate there until the residual is below ``tolerance``.

    ``warm`` is a solution's state on the same shortlist and replaces the annealing.
    """
    state = warm or start(problem)
    iterations = 0
    stage = epsilon if warm else max(FIRST_EPSILON, epsilon)
    while stage > epsilon:
        state, _, _ = _sweep(problem, state, stage, DAMPING)
        iterations += STAGE_ITERATIONS
        stage = max(epsilon, stage * COOLING)
    residual, least, damping = np.inf, np.inf, DAMPING
    while residual > tolerance and iterations < max_iterations:
        state, _, residual = _sweep(problem, state, epsilon, damping)
        iterations += STAGE_ITERATIONS
        if residual > least and damping > LEAST_DAMPING:
            damping *= BACK_OFF
        least = min(least, residual)
    if problem.energy is not None:  # c has moved since the last scaling: the plan must be one at these costs
        state, _, _ = _scale(problem, state, epsilon, STAGE_ITERATIONS)
    plan = plan_of(problem.shortlist, state, epsilon)
    weights = np.minimum(np.asarray(plan.sum(axis=0)).ravel(), problem.budget.caps)
    leaving = np.exp(np.minimum((state.g - problem.shortlist.radius) / epsilon, 0.0))
    converged = bool(residual <= tolerance)
    return CapacitySolution(state, weights, plan, epsilon, iterations, float(residual), converged, leaving)


def sharpened(problem: Problem, solution: CapacitySolution) -> State:
    """The state after a few steps at smaller epsilons, with the redundancy as it is.

    Its prices bound the transport more closely and order the candidates more sharply.
    """
    state = solution.state
    for divisor in SHARPENING:
        state, _, _ = _sweep(replace(problem, energy=None), state, solution.epsilon / divisor, DAMPING)
    return state


def within(problem: Problem, solution: CapacitySolution) -> scipy.sparse.csr_array:
    """(M, n) the plan once nothing can go beyond the shortlist, with the redundancy as it is."""
    closed = replace(problem.shortlist, radius=np.full(len(problem.masses), np.inf))
    state = solution.state
    for _ in range(CLOSING_SWEEPS):
        state, _, _ = _scale(replace(problem, shortlist=closed), state, solution.epsilon, STAGE_ITERATIONS)
    return plan_of(closed, state, solution.epsilon)


def start(problem: Problem, g: Floats | None = None) -> State:
    """No redundancy yet, and the multipliers that the linear programme's prices ``g`` (M,) imply."""
    n = len(problem.shortlist.candidates)
    if g is None:
        return State(np.zeros(n), np.zeros(n), np.zeros(len(problem.masses)))
    return State(_held(problem, reduced_cost(problem.shortlist, g)), np.zeros(n), g)


def _held(problem: Problem, multipliers: Floats) -> Floats:
    """(n,) at most 0 where a candidate may be left out."""
    return np.where(problem.budget.free, np.minimum(0.0, multipliers), multipliers)


def reduced_cost(shortlist: Shortlist, g: Floats) -> Floats:
    """g (M,) -> (n,) min_j (C_ij - g_j) over the listed edges of every candidate; inf where it has none."""
    cost = shortlist.cost
    best = np.full(cost.shape[1], np.inf)
    np.minimum.at(best, cost.indices, cost.data - g[shortlist.target_of_edge])
    return best


def plan_of(shortlist: Shortlist, state: State, epsilon: float) -> scipy.sparse.csr_array:
    """P -> (M, n): exp((a_i - c_i + g_j - C_ij) / eps) on the edges."""
    cost = shortlist.cost
    exponent = (state.a - state.c)[cost.indices] + np.repeat(state.g, np.diff(cost.indptr)) - cost.data
    data = np.exp(np.minimum(exponent / epsilon, MAX_LOG_SCALE))
    return scipy.sparse.csr_array((data, cost.indices, cost.indptr), shape=cost.shape)


def _sweep(problem: Problem, state: State, epsilon: float, damping: float) -> tuple[State, Floats, float]:
    """STAGE_ITERATIONS steps of (g, a), with c renewed every REDUNDANCY_PERIOD; the last step is one in a."""
    if problem.energy is None:
        return _scale(problem, state, epsilon, STAGE_ITERATIONS)
    for _ in range(STAGE_ITERATIONS // REDUNDANCY_PERIOD):
        state, weights, carried = _scale(problem, state, epsilon, REDUNDANCY_PERIOD)
        wanted = problem.lam * problem.energy.penalty(weights)
        moved = float((weights * np.abs(wanted - state.c)).sum()) / max(float(weights.sum()), 1e-300)
        state = replace(state, c=state.c + damping * (wanted - state.c))
    return state, weights, carried + moved


def _scale(problem: Problem, state: State, epsilon: float, steps: int) -> tuple[State, Floats, float]:
    """Sinkhorn scalings on the plan of ``state``.

    Returns the absorbed state, the capped weights and the mass that the last step moved.
    """
    state = _row_shift(problem.shortlist, state, epsilon)
    plan = plan_of(problem.shortlist, state, epsilon)
    columns = plan.T
    beyond = problem.masses * np.exp((state.g - problem.shortlist.radius) / epsilon)
    cap = problem.budget.caps
    free = np.exp(np.minimum(-state.a / epsilon, MAX_LOG_SCALE))  # scaling at which a_i returns to 0
    free[problem.budget.pinned] = np.inf
    u = before = np.ones_like(state.a)
    for _ in range(steps):
        before = u
        v = problem.masses / np.maximum(plan @ u + beyond, 1e-300)
        reach = np.maximum(columns @ v, 1e-300)
        u = np.minimum(free, cap / reach)
    moved = float((np.abs(u - before) * reach).sum())
    state = State(
        _held(problem, state.a + epsilon * np.log(u)),
        state.c,
        state.g + epsilon * np.log(np.clip(v, 1e-300, None)),
    )
    return state, np.asarray(u * reach), moved


def _row_shift(shortlist: Shortlist, state: State, epsilon: float) -> State:
    """Set each g_j so that its largest exponent is 0: no row of the plan under- or overflows."""
    cost = shortlist.cost
    exponent = (state.a - state.c)[cost.indices] - cost.data
    return replace(state, g=-np.maximum(np.maximum.reduceat(exponent, cost.indptr[:-1]), -shortlist.radius))
