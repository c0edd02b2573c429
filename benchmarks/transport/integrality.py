"""How much of the gap to the linear programme is its fraction: ours, the integral optimum and the bound.

Choosing k of n candidates for M targets at lambda 0 is the mixed-integer programme

    minimise sum_ij C_ij P_ij  subject to  k sum_j P_ij = y_i,  sum_i P_ij = 1/M,  y_i in {0, 1}

which HiGHS solves to optimality in seconds up to about 80 candidates and 8 targets.
"""

from dataclasses import dataclass

import numpy as np
import ot
import scipy.sparse
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from benchmarks.instances import Instance, synthetic
from evoselect.select import select
from evoselect.spec.selection import SelectionSpec

Floats = NDArray[np.float64]

# (n, m, k) with k / m not whole: what the gap of lp_gaps is made of, small enough to be proven
SMALL = ((40, 3, 7), (40, 4, 7), (60, 4, 9), (60, 5, 13), (60, 5, 23), (60, 8, 11), (60, 8, 20), (50, 12, 5))
SEEDS = (0, 1)
MIP_GAP = 1e-4
SECONDS = 60.0  # then the optimum counts as not proven


@dataclass(frozen=True)
class Compared:
    """Transports at lambda 0: programme <= integral <= ours."""

    programme: float
    integral: float
    ours: float
    proven: bool


def integrality() -> dict[str, float]:
    """Largest ratios over the small instances that were solved to optimality, and how many those were."""
    every = [
        compared(synthetic(n, m, 10, seed=seed, modes=5, unseen=1), k) for n, m, k in SMALL for seed in SEEDS
    ]
    proven = [one for one in every if one.proven]
    return {
        "small_instances_proven": len(proven),
        "integral_over_lp_max": max(one.integral / one.programme for one in proven),
        "ours_over_integral_max": max(one.ours / one.integral for one in proven),
    }


def compared(case: Instance, k: int) -> Compared:
    """The three transports of one instance."""
    cost = 1.0 - (case.candidates.double() @ case.targets.double().T).numpy()
    spec = SelectionSpec.model_validate({"lambda": 0.0})
    rows = select(case.candidates, case.targets, k, spec, seed=0, compare_with_baselines=False).indices
    integral, proven = integral_optimum(cost, k)
    return Compared(linear_programme(cost, k), integral, transport(np.ascontiguousarray(cost[rows])), proven)


def linear_programme(cost: Floats, k: int) -> float:
    """POT's exact transport with a dummy target of cost 0 that takes what the candidates keep."""
    n, m = cost.shape
    supply, demand = np.full(n, 1.0 / k), np.append(np.full(m, 1.0 / m), n / k - 1.0)
    dense = np.hstack([cost, np.zeros((n, 1))])
    return float(ot.emd2(supply, demand * supply.sum() / demand.sum(), dense, numItermax=10**7))


def transport(cost: Floats) -> float:
    """Between uniform measures."""
    k, m = cost.shape
    return float(ot.emd2(np.full(k, 1.0 / k), np.full(m, 1.0 / m), cost, numItermax=10**7))


def integral_optimum(cost: Floats, k: int) -> tuple[float, bool]:
    """(least transport of a k-subset, whether that is proven) by HiGHS; ``cost`` is (n, M)."""
    n, m = cost.shape
    by_row = scipy.sparse.kron(scipy.sparse.eye_array(n), np.ones((1, m))) * k
    ships = scipy.sparse.hstack([-scipy.sparse.eye_array(n), by_row])
    by_target = scipy.sparse.kron(np.ones((1, n)), scipy.sparse.eye_array(m))
    arrives = scipy.sparse.hstack([scipy.sparse.csr_array((m, n)), by_target])
    found = milp(
        np.concatenate([np.zeros(n), cost.ravel()]),
        integrality=np.concatenate([np.ones(n), np.zeros(n * m)]),
        bounds=Bounds(0.0, np.concatenate([np.ones(n), np.full(n * m, np.inf)])),
        constraints=[LinearConstraint(ships, 0.0, 0.0), LinearConstraint(arrives, 1.0 / m, 1.0 / m)],
        options={"time_limit": SECONDS, "mip_rel_gap": MIP_GAP},
    )
    return float(found.fun), found.status == 0
