"""The method ``capacity`` from features to k candidates: shortlist, solution, bound, rounding (ours)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoselect import capacity, diversity, rounding, shortlist
from evoselect.capacity import CapacitySolution, Problem
from evoselect.features import gather
from evoselect.rounding import Rounded
from evoselect.shortlist import Floats, Ints, Shortlist
from evoselect.spec.selection import SelectionSpec
from evoselect.transport import Transport

LEAVING = 0.01  # a target with more of its mass beyond its shortlist gets a wider one
NEAR_TARGETS = (
    8  # edges per candidate beyond the shortlist, so that one candidate can be shared by several targets
)
GOOD_GAP = 1e-3  # over the bound: not worth another exchange
INTEGRAL = 1e-6  # in units of the cap


@dataclass(frozen=True)
class Optimum:
    """The chosen rows and all that led to them."""

    problem: Problem
    solution: CapacitySolution
    relaxed: Transport  # linear programme of lambda = 0 on the shortlist
    bound: float  # no k-subset of the candidates has a smaller transport
    rounded: Rounded
    widenings: int

    @property
    def certified(self) -> bool:
        """No candidate outside the shortlist can enter the linear programme's solution."""
        return (
            bool((self.relaxed.g <= self.problem.shortlist.radius).all())
            and self.relaxed.unmatched <= INTEGRAL
        )


def optimise(pool: Tensor, targets: Tensor, masses: Floats, k: int, spec: SelectionSpec, s: float) -> Optimum:
    """Solve for the ``k`` rows of ``pool`` (N, d); ``s`` is the bandwidth of the redundancy."""
    listed, transport_only, widenings = _shortlisted(pool, targets, masses, k, spec)
    relaxed = rounding.relaxed_optimum(listed, masses, k)
    problem, solution = transport_only
    if spec.lam > 0:
        graph = diversity.similarity_graph(gather(pool, torch.from_numpy(listed.candidates)), listed.cost, s)
        problem = Problem(listed, masses, k, graph, spec.lam)
        solution = capacity.solve(problem, spec.epsilon, spec.tolerance, spec.max_iterations)
    bound = rounding.lower_bound(listed, masses, k, relaxed.g)
    chosen = _vertex(relaxed, k) if spec.lam == 0 else None
    if chosen is None:
        shared = shortlist.with_near_targets(listed, pool, targets, NEAR_TARGETS)
        exchangeable = Problem(shared, masses, k, problem.similarity, problem.lam)
        enough = bound * (1.0 + GOOD_GAP)
        rounded = rounding.exchange(exchangeable, rounding.round_weights(problem, solution), enough)
    else:
        rounded = rounding.evaluate(problem, chosen)
    return Optimum(problem, solution, relaxed, bound, rounded, widenings)


def _shortlisted(
    pool: Tensor, targets: Tensor, masses: Floats, k: int, spec: SelectionSpec
) -> tuple[Shortlist, tuple[Problem, CapacitySolution], int]:
    """Widen until no target wants mass from beyond its list; the solution is that of lambda = 0."""
    listed = shortlist.build(pool, targets, shortlist.first_width(pool.shape[0], targets.shape[0], k))
    widenings = 0
    while True:
        problem = Problem(listed, masses, k, None, 0.0)
        solution = capacity.solve(problem, spec.epsilon, spec.tolerance, spec.max_iterations)
        short = np.flatnonzero(solution.leaving > LEAVING)
        if not len(short):
            return listed, (problem, solution), widenings
        listed = shortlist.widen(listed, pool, targets, short)
        widenings += 1


def _vertex(relaxed: Transport, k: int) -> Ints | None:
    """The k candidates of an integral solution of the linear programme; None where it is fractional."""
    scaled = np.asarray(relaxed.plan.sum(axis=1)).ravel() * k
    chosen = np.flatnonzero(scaled > INTEGRAL)
    return chosen if len(chosen) == k else None
