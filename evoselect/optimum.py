"""The method ``capacity`` from features to k candidates: shortlist, solution, bound, rounding (ours)."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from evoselect import capacity, diversity, rounding, shortlist
from evoselect.capacity import CapacitySolution, Problem
from evoselect.energy import Energy, LinearEnergy, LocalEnergy, SquaredEnergy
from evoselect.features import gather, row_blocks
from evoselect.rounding import Rounded
from evoselect.shortlist import Floats, Ints
from evoselect.spec.selection import SelectionSpec
from evoselect.transport import Transport

LEAVING = 0.01  # a target with more of its mass beyond its shortlist gets a wider one
NEAR_TARGETS = (
    8  # edges per candidate beyond the shortlist, so that one candidate can be shared by several targets
)
EXACT_EDGES = (
    150_000  # of a shortlist whose linear programme the network simplex solves in a fraction of a second
)
GOOD_GAP = 2e-3  # over the bound: not worth another exchange
COARSE_TOLERANCE = 1e-2  # of the solves that only say which targets to widen
SHARP = 0.01  # epsilon up to which the mass is nearly at vertices and exact transport may settle the rest
INTEGRAL = 1e-6  # in units of the cap


@dataclass(frozen=True)
class Relaxation:
    """The problem without redundancy: its solution, and what no k-subset can undercut."""

    problem: Problem
    solution: CapacitySolution
    programme: Transport | None  # the linear programme on the shortlist; None above EXACT_EDGES
    g: Floats  # (M,) target potentials of the bound
    bound: float  # no k-subset of the candidates has a smaller transport
    saved: float  # mean cost of a random candidate minus the bound: the unit of lambda
    widenings: int

    @property
    def certified(self) -> bool:
        """No candidate outside the shortlist can enter: every potential is within its target's radius."""
        reaches = bool((self.g > self.problem.shortlist.radius).any())
        return not reaches and (self.programme is None or self.programme.unmatched <= INTEGRAL)


@dataclass(frozen=True)
class Optimum:
    """The chosen rows and all that led to them."""

    problem: Problem
    solution: CapacitySolution
    relaxation: Relaxation
    rounded: Rounded


def optimise(pool: Tensor, targets: Tensor, masses: Floats, k: int, spec: SelectionSpec, s: float) -> Optimum:
    """Solve for the ``k`` rows of ``pool`` (N, d); ``s`` is the bandwidth of the local redundancy."""
    relaxation = relax(pool, targets, masses, k, spec)
    return refine(pool, targets, relaxation, spec, s)


def relax(pool: Tensor, targets: Tensor, masses: Floats, k: int, spec: SelectionSpec) -> Relaxation:
    """Solve lambda = 0, widening the shortlist until no target wants mass from beyond its list."""
    listed = shortlist.build(pool, targets, shortlist.first_width(pool.shape[0], targets.shape[0], k))
    widenings = 0
    while True:
        problem = Problem(listed, masses, k)
        coarse = capacity.solve(
            problem, max(SHARP, spec.fixed_epsilon), COARSE_TOLERANCE, spec.max_iterations
        )
        short = np.flatnonzero(coarse.leaving > LEAVING)
        if not len(short):
            break
        listed = shortlist.widen(listed, pool, targets, short)
        widenings += 1
    solution = capacity.solve(
        problem, spec.fixed_epsilon, spec.tolerance, spec.max_iterations, warm=coarse.state
    )
    programme = rounding.relaxed_optimum(listed, masses, k) if listed.cost.nnz <= EXACT_EDGES else None
    g = programme.g if programme else capacity.sharpened(problem, solution)
    bound = rounding.lower_bound(listed, masses, k, g)
    saved = max(0.0, _mean_cost(pool, targets, masses) - bound)
    return Relaxation(problem, solution, programme, g, bound, saved, widenings)


def refine(pool: Tensor, targets: Tensor, relaxation: Relaxation, spec: SelectionSpec, s: float) -> Optimum:
    """Add the redundancy of ``spec`` and round to k candidates."""
    problem, solution = relaxation.problem, relaxation.solution
    if spec.fixed_lambda > 0:
        problem = penalised(pool, relaxation, spec, s)
        solution = capacity.solve(problem, spec.fixed_epsilon, spec.tolerance, spec.max_iterations)
    return Optimum(problem, solution, relaxation, _rounded(pool, targets, problem, solution, relaxation))


def _rounded(
    pool: Tensor, targets: Tensor, problem: Problem, solution: CapacitySolution, relaxation: Relaxation
) -> Rounded:
    """By exact transport where epsilon is small and the linear programme is, else by the largest weights."""
    programme = relaxation.programme
    if programme is None or solution.epsilon > SHARP:
        everyone = np.arange(len(solution.weights))
        chosen = np.sort(rounding.best(rounding.solution_score(solution), everyone, problem.k))
        return rounding.estimate(pool, targets, problem, solution, chosen)
    vertex = _vertex(programme, problem.k) if problem.energy is None else None
    if vertex is not None:
        return rounding.evaluate(problem, vertex)
    shared = replace(
        problem, shortlist=shortlist.with_near_targets(problem.shortlist, pool, targets, NEAR_TARGETS)
    )
    relaxed = float(solution.plan.multiply(problem.shortlist.cost).sum())
    relaxed += 0.5 * problem.lam * float(solution.weights @ problem.redundancy(solution.weights))
    enough = (relaxation.bound if problem.energy is None else relaxed) * (1.0 + GOOD_GAP)
    return rounding.exchange(shared, rounding.round_weights(problem, solution), enough)


def penalised(pool: Tensor, relaxation: Relaxation, spec: SelectionSpec, s: float) -> Problem:
    """The problem with redundancy, lambda turned into cost by what selection can save in transport."""
    base = relaxation.problem
    features = gather(pool, torch.from_numpy(base.shortlist.candidates))
    energy = _energy(features, base, spec, s)
    scale = 1.0
    if not isinstance(energy, LocalEnergy):
        weights = relaxation.solution.weights
        scale = max(float(weights @ energy.gradient(weights)), 1e-12)
    return replace(base, energy=energy, lam=spec.fixed_lambda * relaxation.saved / scale)


def _energy(features: Tensor, base: Problem, spec: SelectionSpec, s: float) -> Energy:
    if spec.energy == "linear":
        return LinearEnergy(features)
    if spec.energy == "squared":
        return SquaredEnergy(features)
    return LocalEnergy(diversity.similarity_graph(features, base.shortlist.cost, s), base.k)


def _mean_cost(pool: Tensor, targets: Tensor, masses: Floats) -> float:
    """Cost of a candidate drawn at random: what selection starts from."""
    centre = torch.from_numpy(masses).float().to(targets.device) @ targets.float()
    total = sum(float((pool[rows].float() @ centre).double().sum()) for rows in row_blocks(pool))
    return 1.0 - total / pool.shape[0]


def _vertex(relaxed: Transport, k: int) -> Ints | None:
    """The k candidates of an integral solution of the linear programme; None where it is fractional."""
    scaled = np.asarray(relaxed.plan.sum(axis=1)).ravel() * k
    chosen = np.flatnonzero(scaled > INTEGRAL)
    return chosen if len(chosen) == k else None
