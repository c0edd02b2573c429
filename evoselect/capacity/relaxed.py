"""The relaxed problem's answer as weights and a plan that meet every constraint (ours).

The trade-off curve and `transport_relaxed` are measured on them.

of_programme  the linear programme's plan, without what redundancy added to its costs
of_scalings   the scalings' plan, rounded to the constraints (Altschuler, Weed and Rigollet 2017, algorithm 2)

Both plans ship over real pairs only, at most its cap from a candidate and each target's mass: by weak duality
their transport is at least the lower bound, and no pair costs more than 2.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.capacity.scaling import CapacitySolution, Problem, within
from evoselect.transport import TINY, Transport


@dataclass(frozen=True)
class Relaxed:
    """Weights on the shortlist's n candidates, and what a plan from them to the targets costs."""

    weights: Floats  # (n,) in [0, cap], sum 1
    transport: float  # mean 1 - cosine


def of_programme(problem: Problem, programme: Transport) -> Relaxed:
    """The weights that the programme ships, at the pairs' own costs."""
    carried = programme.plan.multiply(problem.shortlist.cost.T.tocsr()).sum()
    return Relaxed(np.asarray(programme.plan.sum(axis=1)).ravel(), float(carried))


def of_scalings(
    rows: Tensor, targets: Tensor, problem: Problem, solution: CapacitySolution, *, place: Ints
) -> Relaxed:
    """The solution held within its shortlist, whose candidates are at ``place`` (n,) among rows (r, d).

    targets (M, d): unit rows, as the others.

    What scaling leaves unmatched goes, at its true cost, to the candidates' free capacity.
    """
    plan = within(problem, solution)
    reach = np.asarray(plan.sum(axis=1)).ravel()
    plan = plan.multiply(np.minimum(1.0, problem.masses / np.maximum(reach, TINY))[:, None]).tocsr()
    weights = np.asarray(plan.sum(axis=0)).ravel()
    wanted = np.maximum(problem.masses - np.asarray(plan.sum(axis=1)).ravel(), 0.0)
    free = np.maximum(problem.budget.caps - weights, 0.0)
    added = free * (wanted.sum() / max(float(free.sum()), TINY))
    own = np.zeros(len(rows))
    own[place] = added
    source = torch.from_numpy(own).float().to(rows.device) @ rows
    sink = torch.from_numpy(wanted).float().to(targets.device) @ targets.float()
    likeness = float(source @ sink.to(source.device)) / max(float(added.sum()), TINY)
    carried = float(plan.multiply(problem.shortlist.cost).sum())
    return Relaxed(weights + added, carried + float(wanted.sum()) - likeness)
