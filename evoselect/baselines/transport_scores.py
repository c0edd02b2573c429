"""Baselines that rank candidates by dense entropic transport: unbalanced OT and the GOT-D gradient."""

import numpy as np
import ot

from evoselect.arrays import Floats
from evoselect.cosines import dense_cosine
from evoselect.task import Chosen, Task, ranked, within_memory

UNBALANCED_REG = 0.01
UNBALANCED_MARGINAL = 1e-4  # penalty on the candidates' marginal; the targets' is hard
GOTD_REG = 0.05
MAX_ITERATIONS = 500
STOP = 1e-7  # norm of the violated target marginal, in mass


def unbalanced_ot(task: Task) -> Chosen:
    """Mass that unbalanced Sinkhorn puts on each candidate: hard target marginal, soft candidate marginal."""
    within_memory(task, "unbalanced_ot")
    cost = (1.0 - dense_cosine(task.candidates, task.targets)) / 2.0
    plan = ot.unbalanced.sinkhorn_stabilized_unbalanced(
        np.full(task.m, 1.0 / task.m),
        np.full(task.n, 1.0 / task.n),
        np.ascontiguousarray(cost.T),
        reg=UNBALANCED_REG,
        reg_m=(float("inf"), UNBALANCED_MARGINAL),
        numItermax=MAX_ITERATIONS,
    )
    return ranked(np.asarray(plan).sum(axis=0), task.k)


def gotd(task: Task) -> Chosen:
    """One calibrated gradient of entropic OT at uniform weights (Kang et al. 2024).

    Of row i: -(f_i - mean of the others).
    """
    within_memory(task, "gotd")
    f, converged = source_potential(1.0 - dense_cosine(task.candidates, task.targets), GOTD_REG)
    return ranked(got_scores(f), task.k, converged=converged)


def got_scores(f: Floats) -> Floats:
    """f (N,) potentials -> (N,) scores -(f_i - mean_{j != i} f_j), larger is better (GOT-D's calibration)."""
    others = (f.sum() - f) / max(1, len(f) - 1)
    return np.asarray(others - f)


def source_potential(cost: Floats, reg: float) -> tuple[Floats, bool]:
    """(N,) potential f of POT's log-domain Sinkhorn between uniform marginals; it ends with the f update.

    cost (N, M), ``reg`` in its unit. The second value says whether the target marginal was met to STOP.
    """
    n, m = cost.shape
    _, log = ot.bregman.sinkhorn_log(
        np.full(n, 1.0 / n),
        np.full(m, 1.0 / m),
        np.ascontiguousarray(cost),
        reg,
        numItermax=MAX_ITERATIONS,
        stopThr=STOP,
        log=True,
        warn=False,
    )
    return reg * np.asarray(log["log_u"]), bool(log["err"][-1] < STOP)
