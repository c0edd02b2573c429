"""Solver ``exponentiated``: entropic transport plus inner-product diversity by exponentiated gradient.

    F(w) = alpha OT_eps(w, b; C) + (lambda / 2) w' K w   on the simplex; then the k largest weights

The update and the two gradients are the paper's (arXiv 2604.26170) as far as its digests tell; step halving,
stopping and the choice of OT_eps (entropy relative to w x b, so that f is its gradient) are ours.
"""

from dataclasses import dataclass

import numpy as np
import ot

from evoselect.arrays import Floats
from evoselect.redundancy.energy import Energy

SINKHORN_ITERATIONS = 500  # of the first solve
WARM_ITERATIONS = 50  # of later ones: they start from the potentials before
SINKHORN_STOP = 1e-6  # norm of the violated target marginal, in mass
LEAST_WEIGHT = 1e-30  # keeps log w finite
MAX_HALVINGS = 20
GAP_TOLERANCE = 1e-6  # Frank-Wolfe gap, in cost


@dataclass(frozen=True)
class ExponentiatedSolution:
    """Weights on the simplex and where the descent stopped."""

    weights: Floats  # (n,), sum 1
    f: Floats  # (n,) source potential at the last weights: the gradient of OT_eps up to a constant
    objective: float
    gap: float  # Frank-Wolfe gap <q, w> - min q: the objective is within it of its minimum
    steps: int
    halvings: int
    converged: bool  # the gap fell below GAP_TOLERANCE
    sinkhorn_converged: bool  # every transport met its marginals


@dataclass(frozen=True)
class Transported:
    """One entropic transport."""

    f: Floats  # (n,) source potential
    value: float
    warm: tuple[Floats, Floats]  # (n,) and (M,) log scalings
    converged: bool


def solve(
    cost: Floats,
    masses: Floats,
    energy: Energy,
    *,
    alpha: float,
    lam: float,
    epsilon: float,
    step: float,
    steps: int,
) -> ExponentiatedSolution:
    """Descend F from uniform weights by w <- w exp(-eta q), normalised, q the gradient of F.

    cost (n, M), masses (M,) sum 1; ``step`` counts standard deviations of the first gradient.
    """
    n = cost.shape[0]
    log_w = np.full(n, -np.log(n))
    w = np.full(n, 1.0 / n)
    current = entropic_transport(cost, w, masses, epsilon=epsilon)
    objective = alpha * current.value + 0.5 * lam * float(w @ energy.gradient(w))
    q = _gradient(current, w, energy, alpha=alpha, lam=lam)
    eta, done, halvings, settled = step / max(float(q.std()), 1e-12), 0, 0, current.converged
    while done < steps and halvings < MAX_HALVINGS and float(q @ w - q.min()) > GAP_TOLERANCE:
        trial_log = _normalised(log_w - eta * (q - q.min()))
        trial_w = np.exp(trial_log)
        trial = entropic_transport(cost, trial_w, masses, epsilon=epsilon, warm=current.warm)
        value = alpha * trial.value + 0.5 * lam * float(trial_w @ energy.gradient(trial_w))
        if value > objective and done > 0:
            eta, halvings = eta / 2.0, halvings + 1
            continue
        log_w, w, current, objective, done = trial_log, trial_w, trial, value, done + 1
        settled = settled and trial.converged
        q = _gradient(current, w, energy, alpha=alpha, lam=lam)
    gap = float(q @ w - q.min())
    return ExponentiatedSolution(w, current.f, objective, gap, done, halvings, gap <= GAP_TOLERANCE, settled)


def entropic_transport(
    cost: Floats, w: Floats, masses: Floats, *, epsilon: float, warm: tuple[Floats, Floats] | None = None
) -> Transported:
    """OT_eps(w, b) = min <P, C> + eps KL(P | w x b) by POT's log-domain Sinkhorn.

    It ends with the f update. cost (n, M), w (n,) sum 1, masses (M,) b; warm: (n,) and (M,) log scalings of
    an earlier solve.
    """
    w = np.maximum(w, LEAST_WEIGHT)
    _, log = ot.bregman.sinkhorn_log(
        w,
        masses,
        cost,
        epsilon,
        numItermax=SINKHORN_ITERATIONS if warm is None else WARM_ITERATIONS,
        stopThr=SINKHORN_STOP,
        warmstart=warm,
        log=True,
        warn=False,
    )
    log_u, log_v = np.asarray(log["log_u"]), np.asarray(log["log_v"])
    f = epsilon * (log_u - np.log(w))
    value = float(f @ w + epsilon * (log_v - np.log(masses)) @ masses)
    return Transported(f, value, (log_u, log_v), bool(log["err"][-1] < SINKHORN_STOP))


def _gradient(transported: Transported, w: Floats, energy: Energy, *, alpha: float, lam: float) -> Floats:
    q = alpha * (transported.f - float(transported.f @ w))
    return q + lam * energy.gradient(w) if lam > 0 else q


def _normalised(log_w: Floats) -> Floats:
    top = log_w.max()
    return np.asarray(log_w - top - np.log(np.exp(log_w - top).sum()))
