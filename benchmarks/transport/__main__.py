"""Cost of a whole selection against one product X Y', and its gap to the exact linear programme.

python -m benchmarks.transport [--quick] [--device cuda] [--json]
"""

import os

os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")

import argparse
import json
import math
import time
from collections.abc import Callable

import numpy as np
import ot
import torch
from torch import Tensor

from benchmarks.instances import Instance, synthetic
from benchmarks.machine import describe, peak_rss_gb, usable_device
from benchmarks.transport.integrality import integrality, linear_programme, transport
from evoselect import exponentiated
from evoselect.redundancy.energy import LinearEnergy
from evoselect.select import select
from evoselect.spec.selection import SelectionSpec

LARGE = (200_000, 1_000, 512, 20_000)
SMALL = (20_000, 400, 256, 2_000)
QUICK = (50_000, 400, 256, 5_000)
CUDA = (1_000_000, 1_000, 1_024, 100_000)
GROWTH = (50_000, 100_000, 200_000, 400_000)
GROWTH_K = 4_000
BLOCK_ROWS = 16_384
REPEATS = 3  # the fastest counts: other processes only ever slow one down
SINKHORN_STEPS = 10  # measured, then scaled to SINKHORN_TOTAL
SINKHORN_TOTAL = 1_000  # POT's default number of iterations
EXPONENTIATED_STEPS = 2  # measured, then scaled to EXPONENTIATED_TOTAL
EXPONENTIATED_TOTAL = 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, below 50 seconds")
    parser.add_argument("--device", type=usable_device, default="cpu", help="cpu or cuda")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = measure(arguments.device, quick=arguments.quick)
    print(
        json.dumps(report)
        if arguments.json
        else "\n".join(f"{key}: {value}" for key, value in report.items())
    )


def measure(device: str, *, quick: bool) -> dict[str, object]:
    """All numbers of one run; keys are stable."""
    machine = describe()
    shape = QUICK if quick else CUDA if device != "cpu" else LARGE
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    main_case = timed_selection(*shape, device=device, dtype=dtype)
    small = timed_selection(*SMALL, device=device, dtype=torch.float32)
    growth = growth_exponent(GROWTH[:2] if quick else GROWTH, device)
    return {
        **main_case,
        "small_ratio_to_product": small["ratio_to_product"],
        **speedups(small["seconds_select"], quick=quick),
        **lp_gaps(6 if quick else 20),
        **({} if quick else integrality()),
        "tradeoff_over_one": tradeoff_cost(device),
        "growth_exponent": growth,
        "peak_rss_gb": round(peak_rss_gb(), 3),
        "machine": machine,
    }


def timed_selection(n: int, m: int, d: int, k: int, *, device: str, dtype: torch.dtype) -> dict[str, float]:
    """Seconds of one blocked product and of a whole selection with its reasons."""
    case = synthetic(n, m, d, seed=0)
    candidates, targets = case.candidates.to(device, dtype), case.targets.to(device, dtype)
    spec = SelectionSpec()

    def chosen() -> object:
        return select(candidates, targets, k, spec, seed=0, compare_with_baselines=False).indices

    product = fastest(lambda: blocked_product(candidates, targets), device)
    whole = fastest(chosen, device)
    ratio = whole / product
    return {
        "n": n,
        "m": m,
        "d": d,
        "k": k,
        "seconds_product": product,
        "seconds_select": whole,
        "ratio_to_product": ratio,
    }


def blocked_product(candidates: Tensor, targets: Tensor) -> None:
    """X Y' in blocks of rows: the floor of every method that looks at the data once."""
    for start in range(0, candidates.shape[0], BLOCK_ROWS):
        candidates[start : start + BLOCK_ROWS] @ targets.T


def fastest(action: Callable[[], object], device: str) -> float:
    """Seconds of the fastest of REPEATS runs."""
    best = math.inf
    for _ in range(REPEATS):
        start = time.perf_counter()
        action()
        if device != "cpu":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return best


def speedups(seconds_select: float, *, quick: bool) -> dict[str, float]:
    """Against the dense exponentiated solver and POT's Sinkhorn on the small case, from a few steps."""
    n, m, d, _ = SMALL
    n = n // 4 if quick else n
    case = synthetic(n, m, d, seed=0)
    cost = 1.0 - (case.candidates @ case.targets.T).double().numpy()
    uniform, masses = np.full(n, 1.0 / n), np.full(m, 1.0 / m)
    start = time.perf_counter()
    ot.bregman.sinkhorn_log(uniform, masses, cost, 0.002, numItermax=SINKHORN_STEPS, stopThr=0.0, warn=False)
    sinkhorn = (time.perf_counter() - start) * SINKHORN_TOTAL / SINKHORN_STEPS * (SMALL[0] / n)
    warm = exponentiated.entropic_transport(cost, uniform, masses, epsilon=0.05).warm
    start = time.perf_counter()
    for _ in range(EXPONENTIATED_STEPS):
        exponentiated.entropic_transport(cost, uniform, masses, epsilon=0.05, warm=warm)
        LinearEnergy(case.candidates).gradient(uniform)
    dense = (time.perf_counter() - start) * EXPONENTIATED_TOTAL / EXPONENTIATED_STEPS * (SMALL[0] / n)
    return {
        "speedup_vs_dense_exponentiated": dense / seconds_select,
        "speedup_vs_pot_sinkhorn": sinkhorn / seconds_select,
    }


def lp_gaps(count: int) -> dict[str, float]:
    """Largest (OT(chosen) - LP) / LP over seeded instances with k/N from 0.01 to 0.5, lambda 0.

    The dense LP is POT's. Where k / M is not whole, no k-subset may reach the programme: ``lp_gap_max_whole``
    leaves those out.
    """
    gaps, whole = [], []
    for place in range(count):
        n = 1_500
        k = round(n * 0.01 * 50 ** (place / max(1, count - 1)))
        m = max(3, min(60, k // 4))
        gaps.append(_lp_gap(synthetic(n, m, 48, seed=place), k))
        whole.append(k % m == 0)
    worst_whole = max(gap for gap, is_whole in zip(gaps, whole, strict=True) if is_whole)
    above = sum(gap > 0.01 for gap in gaps)
    return {"lp_gap_max": max(gaps), "lp_gap_max_whole": worst_whole, "lp_gaps_above_1_percent": above}


def _lp_gap(case: Instance, k: int) -> float:
    cost = 1.0 - (case.candidates @ case.targets.T).double().numpy()
    programme = linear_programme(cost, k)
    spec = SelectionSpec.model_validate({"lambda": 0.0})
    rows = select(case.candidates, case.targets, k, spec, seed=0, compare_with_baselines=False).indices
    return (transport(np.ascontiguousarray(cost[rows])) - programme) / programme


def tradeoff_cost(device: str) -> float:
    """Seconds of a selection that reports the curve over eight lambdas, over those of one that does not."""
    n, m, d, k = SMALL
    case = synthetic(n, m, d, seed=0)
    candidates, targets = case.candidates.to(device), case.targets.to(device)

    def seconds(spec: SelectionSpec) -> float:
        return fastest(
            lambda: select(candidates, targets, k, spec, seed=0, compare_with_baselines=False), device
        )

    return seconds(SelectionSpec(tradeoff=True)) / seconds(SelectionSpec())


def growth_exponent(sizes: tuple[int, ...], device: str) -> float:
    """Slope of log seconds over log N at fixed k."""
    seconds = [
        timed_selection(n, 400, 256, GROWTH_K, device=device, dtype=torch.float32)["seconds_select"]
        for n in sizes
    ]
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


if __name__ == "__main__":
    main()
