"""The method ``capacity`` from features to candidates: shortlist, solution, bound, rounding (ours)."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.capacity import relaxed, rounding, shortlist, whole
from evoselect.capacity import scaling as capacity
from evoselect.capacity.alike import Alike, compared
from evoselect.capacity.foreseen import centre
from evoselect.capacity.relaxed import Relaxed
from evoselect.capacity.rounding import Rounded
from evoselect.capacity.scaling import CapacitySolution, Problem, State
from evoselect.errors import InvalidInput
from evoselect.pools.pool import Pool
from evoselect.redundancy.energy import Energy, LinearEnergy, LocalEnergy, SquaredEnergy
from evoselect.spec.selection import SelectionSpec
from evoselect.task import Task
from evoselect.transport import Transport

LEAVING = 0.01  # a target with more of its mass beyond its shortlist gets a wider one
MANY_EDGES = 20_000_000  # of a shortlist: what a wide epsilon wants beyond it is reported, not listed
GOOD_GAP = 2e-3  # over the bound: not worth another exchange
COARSE = 0.005  # epsilon of the solves that say which targets to widen,
COARSE_TOLERANCE = 1e-2  # and their tolerance
SHARP = 0.01  # epsilon up to which the mass is nearly at vertices and exact transport may settle the rest
RISE = 0.1  # of the cost of a twin: prices rise by less where twins make way
DENSE_ENTRIES = 2**20  # listed candidates times targets up to which exchanges see every edge


@dataclass(frozen=True)
class Relaxation:
    """The problem without redundancy: its solution, and what no set that spends the budget can undercut."""

    problem: Problem
    spec: SelectionSpec
    state: State  # that scalings start from
    programme: Transport | None  # the linear programme on the shortlist; None above EXACT_NODES
    g: Floats  # (M,) target potentials of the bound
    paid: float  # what the targets pay at these potentials
    bound: float  # no set that spends the whole budget has a smaller transport
    saved: float  # mean cost of a random candidate minus the bound: the unit of lambda
    widenings: int
    certified: bool  # nothing outside the shortlist can enter the solution

    @cached_property
    def solution(self) -> CapacitySolution:
        """The scalings: beside a programme only lambda 0, other energies and wide epsilons ask for them."""
        return _scaled(self.problem, self.spec, self.state)

    def bound_at(self, spent: int) -> float:
        """No set that spends ``spent`` or more of the budget has a smaller transport.

        Caps grow as less is spent.
        """
        total = self.problem.budget.total
        if spent == total:
            return self.bound
        return min(self.bound, self.paid + (self.bound - self.paid) * total / spent)


@dataclass(frozen=True)
class Penalised:
    """The problem at one lambda, solved for fractional weights."""

    problem: Problem
    solution: CapacitySolution
    programme: Transport | None  # the linear programme with the redundancy as a cost; None above EXACT_NODES
    relaxed: Relaxed


@dataclass(frozen=True)
class Optimum:
    """The chosen rows and all that led to them."""

    penalised: Penalised
    relaxation: Relaxation
    rounded: Rounded

    @property
    def problem(self) -> Problem:
        """The problem at the chosen lambda."""
        return self.penalised.problem

    @property
    def solution(self) -> CapacitySolution:
        """Its scalings."""
        return self.penalised.solution


def optimise(task: Task) -> Optimum:
    """pool (N, d), targets (M, d), masses (M,) of ``task`` -> the rows that its budget buys.

    The spec holds numbers: ``tuning.resolve`` puts them in the place of ``auto``. Raises InvalidInput where
    what is pinned and what bounds bring in has too many costs to hold.
    """
    return refine(task, relax(task))


def relax(task: Task) -> Relaxation:
    """Solve lambda = 0, widening the shortlist until no target wants mass from beyond its list.

    pool (N, d) and targets (M, d) of ``task`` are unit rows, its masses (M,) of sum 1.
    """
    pool, targets, masses = task.pool, task.targets, task.masses
    budget, spec = task.budget, task.spec
    listed, g = shortlist.by_price(pool, targets, masses, budget)
    beyond = np.setdiff1d(shortlist.needed(pool, targets, budget, g), listed.candidates)
    always = np.union1d(budget.pinned, beyond)
    _require_few_costs(len(always) * len(masses))
    widenings = 0
    while True:
        listed = shortlist.with_rows(listed, pool, targets, always)
        problem = Problem(listed, masses, budget.among(listed.candidates))
        programme, state, short = _coarse(problem, spec, g, first=not widenings)
        g = state.g
        if len(short) and listed.cost.nnz <= MANY_EDGES:
            least = listed.radius[short]
            listed = shortlist.widen(listed, pool, targets, short)
            # a simplex starts best from too little; of scalings prices fall faster than they climb
            g = g.copy()
            g[short] = np.minimum(listed.radius[short], shortlist.MOST) if programme is None else least
            widenings += 1
            continue
        if programme is None:
            break
        listed, missing = shortlist.verified(listed, pool, targets, np.minimum(g, listed.radius))
        if not missing:
            break
    own = budget.among(listed.candidates)
    problem = Problem(listed, masses, own)
    if programme is None:
        problem = _closed(problem, spec)
        solution = _scaled(problem, spec, state)
        state, g = solution.state, capacity.sharpened(problem, solution).g
        listed, _ = shortlist.verified(listed, pool, targets, np.minimum(g, listed.radius))
    g = np.minimum(g, listed.radius)
    bound = rounding.lower_bound(listed, masses, own, g)
    saved = max(0.0, _mean_cost(pool, targets, masses) - bound)
    certified = rounding.is_complete(listed, g, own)
    paid = float(masses @ g)
    found = Relaxation(problem, spec, state, programme, g, paid, bound, saved, widenings, certified)
    if programme is None:
        found.__dict__["solution"] = solution
    return found


def _scaled(problem: Problem, spec: SelectionSpec, warm: State) -> CapacitySolution:
    return capacity.solve(
        problem,
        epsilon=spec.fixed_epsilon,
        tolerance=spec.tolerance,
        max_iterations=spec.max_iterations,
        warm=warm,
    )


def _require_few_costs(costs: int) -> None:
    if costs > MANY_EDGES:
        raise InvalidInput(
            "method capacity holds the costs to all targets of what is pinned and of what only the groups' "
            f"bounds bring in: {costs}, more than {MANY_EDGES}: pin fewer, loosen bounds, or sample targets"
        )


def _coarse(
    problem: Problem, spec: SelectionSpec, g: Floats, *, first: bool
) -> tuple[Transport | None, State, Ints]:
    """The linear programme, where it is small and wanted, else a solve at COARSE.

    Returns what to start from next, and which targets want mass from beyond their lists.
    """
    if problem.budget.count + len(problem.masses) <= shortlist.EXACT_NODES and spec.fixed_epsilon <= SHARP:
        programme = rounding.relaxed_optimum(
            problem.shortlist,
            problem.masses,
            problem.budget,
            g,
            start=None if first else g,  # the prices of a sample are a worse start than none
        )
        state = capacity.start(problem, programme.g)
        return programme, state, np.flatnonzero(programme.g > problem.shortlist.radius)
    epsilon, warm = max(COARSE, spec.fixed_epsilon), capacity.start(problem, g)
    inside = _closed(problem, spec)
    coarse = capacity.solve(
        inside, epsilon=epsilon, tolerance=COARSE_TOLERANCE, max_iterations=spec.max_iterations, warm=warm
    )
    if spec.fixed_epsilon <= SHARP:
        sharp = capacity.sharpened(inside, coarse)
        return None, coarse.state, np.flatnonzero(sharp.g > problem.shortlist.radius)
    return None, coarse.state, np.flatnonzero(coarse.leaving > LEAVING)


def _closed(problem: Problem, spec: SelectionSpec) -> Problem:
    """Without what lies beyond the lists, where epsilon only approaches exact transport.

    Then prices say whether a list is too short, and the entropic plan need not reach as far as it could.
    """
    if spec.fixed_epsilon > SHARP:
        return problem
    listed = replace(problem.shortlist, radius=np.full(len(problem.masses), np.inf))
    return replace(problem, shortlist=listed)


def refine(task: Task, relaxation: Relaxation, *, exchanges: int = rounding.MAX_EXCHANGES) -> Optimum:
    """Add the redundancy of the spec and round to whole candidates: pool (N, d), targets (M, d) unit rows.

    Rounding solves at most ``exchanges`` transports.
    """
    found = at_lambda(task, relaxation)
    return Optimum(found, relaxation, _rounded(task.pool, task.targets, found, exchanges=exchanges))


def at_lambda(task: Task, relaxation: Relaxation, known: Alike | None = None) -> Penalised:
    """The relaxed problem with the redundancy of the spec, from the prices of lambda 0 on.

    pool (N, d) and targets (M, d) of ``task`` are the unit rows that ``relaxation`` was solved for; ``known``
    is what is alike at a larger lambda.
    """
    spec, own = task.spec, None
    problem, programme = relaxation.problem, relaxation.programme
    if spec.fixed_lambda == 0:
        solution = relaxation.solution
    else:
        own = alike(task, relaxation, known)
        problem = penalised(task, relaxation, own)
        g = relaxation.g if spec.fixed_epsilon <= SHARP else relaxation.solution.state.g
        warm = capacity.start(problem, g)
        solution = capacity.solve(
            problem,
            epsilon=spec.fixed_epsilon,
            tolerance=spec.tolerance,
            max_iterations=spec.max_iterations,
            warm=warm,
        )
        if programme is not None:
            state = solution.state
            programme = rounding.relaxed_optimum(
                problem.shortlist, problem.masses, problem.budget, state.g, extra=state.c, start=state.g
            )
    if programme is None:
        listed = problem.shortlist.candidates
        rows, place = (
            (task.pool.gather(listed), np.arange(len(listed))) if own is None else (own.rows, own.place)
        )
        held = relaxed.of_scalings(rows, task.targets, problem, solution, place=place)
        return Penalised(problem, solution, None, held)
    return Penalised(problem, solution, programme, relaxed.of_programme(problem, programme))


def _rounded(pool: Pool, targets: Tensor, found: Penalised, *, exchanges: int) -> Rounded:
    """By the linear programme where there is one, else by the prices of a smaller epsilon."""
    problem, solution, programme = found.problem, found.solution, found.programme
    score = rounding.solution_score(solution)
    if programme is None:
        if solution.epsilon <= SHARP:
            score = rounding.price_score(problem, capacity.sharpened(problem, solution))
        chosen = np.sort(problem.budget.fill(rounding.best(score, np.arange(len(score)), len(score))))
        return rounding.estimate(pool, targets, problem, solution, chosen=chosen)
    taken = whole.round_programme(programme, problem.budget, score, targets)
    first = rounding.settle(pool, targets, problem, taken, g=programme.g)
    enough = programme.cost * (1.0 + GOOD_GAP)
    free = problem.budget.bounds is None  # else the programme knows nothing of the groups
    if first.objective <= enough or (free and whole.is_vertex(programme, problem.budget)):
        return first
    shared = problem
    if len(score) * len(problem.masses) <= DENSE_ENTRIES:
        listed = shortlist.with_all_targets(problem.shortlist, pool, targets)
        shared = replace(problem, shortlist=listed)
    better = rounding.exchange(shared, first.chosen, enough, most=exchanges)
    settled = rounding.settle(pool, targets, problem, better.chosen, g=first.transport.g, near=first)
    return replace(min(first, settled, key=lambda rounded: rounded.objective), exchanges=better.exchanges)


def alike(task: Task, relaxation: Relaxation, known: Alike | None = None) -> Alike | None:
    """The candidates near the wanted ones at the spec's lambda, compared; None for energies of all pairs.

    pool (N, d) of ``task``, unit rows. Candidates that the prices of lambda = 0 call far from wanted are left
    out. ``known``: the same at a larger lambda.
    """
    spec = task.spec
    if spec.energy in ("linear", "squared"):
        return None
    near, g = relaxation.problem.shortlist, relaxation.g
    if spec.fixed_epsilon <= SHARP:
        margin = shortlist.MARGIN + RISE * spec.fixed_lambda * relaxation.saved
        near = shortlist.narrowed(near, g, margin, relaxation.problem.budget)
    return (
        compared(task.pool, near, g, task.bandwidth) if known is None else known.of(near, g, task.bandwidth)
    )


def penalised(task: Task, relaxation: Relaxation, own: Alike | None) -> Problem:
    """The problem with redundancy, lambda turned into cost by what selection can save in transport.

    pool (N, d) of ``task``, unit rows; ``own`` as by `alike`.
    """
    spec, base = task.spec, relaxation.problem
    lam = spec.fixed_lambda * relaxation.saved
    if own is None:
        weights = relaxation.solution.weights
        rows = task.pool.gather(base.shortlist.candidates)
        energy: Energy = LinearEnergy(rows) if spec.energy == "linear" else SquaredEnergy(rows)
        scale = max(float(weights @ energy.gradient(weights)), 1e-12)
        return replace(base, energy=energy, lam=lam / scale)
    near = own.listed
    budget = base.budget.among(np.searchsorted(base.shortlist.candidates, near.candidates))
    order = capacity.reduced_cost(near, relaxation.g)
    order[budget.pinned] = -np.inf  # the others make way for what is in anyway
    energy = LocalEnergy.in_order(own.graph, base.budget.rows, order)
    return replace(base, shortlist=near, budget=budget, energy=energy, lam=lam)


def redundancy(task: Task, relaxation: Relaxation, at: Penalised, known: Alike | None = None) -> float:
    """w' (gradient of the energy) of the relaxed weights: of energy local, how many twins an item has.

    pool (N, d) of ``task``, unit rows; ``at`` is a solution for them, ``known`` as of `at_lambda`.
    """
    problem, weights = at.problem, at.relaxed.weights
    if problem.energy is None:  # of lambda 0: measured where lambda would act
        listed = problem.shortlist.candidates
        without = task.with_settings(lam=0.0)
        problem = penalised(without, relaxation, alike(without, relaxation, known))
        weights = weights[np.searchsorted(listed, problem.shortlist.candidates)]
    return float(weights @ problem.redundancy(weights))


def _mean_cost(pool: Pool, targets: Tensor, masses: Floats) -> float:
    """Cost of a candidate drawn at random: what selection starts from."""
    return 1.0 - pool.mean_score(centre(targets, masses))
