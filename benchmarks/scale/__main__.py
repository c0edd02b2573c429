"""A million candidates from a memory-mapped file, and what shards of them say about a billion.

python -m benchmarks.scale [--rows 1000000] [--json]

Features lie in build/scale as float16. What is measured is one selection and the nearest lists of one shard
with their exact merge; ``extrapolated`` multiplies the shard's seconds and bytes and measures nothing.
"""

import os

os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.machine import describe, peak_rss_gb
from benchmarks.scale import shards
from evoselect.capacity.shortlist import first_width
from evoselect.select import select
from evoselect.spec.selection import SelectionSpec

M, D, K = 1_000, 512, 20_000
MODES = 20
CHUNK = 50_000
SHARD = 125_000  # rows of one shard
BILLION = 1_000_000_000
MILLION = 1_000_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=MILLION)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = measure(arguments.rows, Path("build/scale"))
    print(json.dumps(report) if arguments.json else "\n".join(f"{k}: {v}" for k, v in report.items()))


def measure(rows: int, folder: Path) -> dict[str, object]:
    """One selection of K rows, then the shard path on the same rows."""
    pool, targets = features(rows, folder)
    started = time.perf_counter()
    found = select(pool, targets, K, SelectionSpec(), seed=0, compare_with_baselines=False)
    seconds = time.perf_counter() - started
    peak = peak_rss_gb()
    width = first_width(rows, M, K)
    started = time.perf_counter()
    lists = [
        shards.shard_list(pool[start : start + SHARD], targets, width, start)
        for start in range(0, rows, SHARD)
    ]
    listed = time.perf_counter() - started
    started = time.perf_counter()
    merged = shards.merge(lists, width)
    merging = time.perf_counter() - started
    list_bytes = sum(part.cost.nbytes + part.index.nbytes for part in lists)
    return {
        "n": rows,
        "m": M,
        "d": D,
        "k": K,
        "seconds_select": seconds,
        "seconds_select_per_million": seconds * MILLION / rows,
        "peak_rss_gb": round(peak, 3),
        "features_gb": round(pool.numel() * pool.element_size() / 2**30, 3),
        "certified": found.diagnostics["certified"],
        "converged": found.diagnostics["converged"],
        "gap": found.diagnostics["gap"],
        "shards": len(lists),
        "seconds_lists_per_million": listed * MILLION / rows,
        "seconds_merge": merging,
        "list_mb_per_shard": round(list_bytes / len(lists) / 2**20, 2),
        "merged_edges": int(merged.cost.nnz),
        "extrapolated": {
            "rows": BILLION,
            "core_hours_of_lists": listed * BILLION / rows * (os.cpu_count() or 1) / 3_600,
            "features_tb": BILLION * D * 2 / 1e12,
            "lists_gb_at_a_million_rows_a_shard": BILLION / MILLION * list_bytes / len(lists) / 1e9,
        },
        "machine": describe(),
    }


def features(rows: int, folder: Path) -> tuple[Tensor, Tensor]:
    """A memory-mapped (rows, D) float16 pool, written once, and (M, D) targets: modes and noise."""
    g = torch.Generator().manual_seed(0)
    centres = normalize(torch.randn(MODES, D, generator=g), dim=1)
    targets = _near(centres, M, g)
    path = folder / f"{rows}x{D}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        written = np.lib.format.open_memmap(
            path.with_suffix(".part"), mode="w+", dtype=np.float16, shape=(rows, D)
        )
        for start in range(0, rows, CHUNK):
            count = min(CHUNK, rows - start)
            inside = count * 2 // 5
            noise = normalize(torch.randn(count - inside, D, generator=g), dim=1)
            written[start : start + count] = torch.cat([_near(centres, inside, g), noise]).half().numpy()
        written.flush()
        path.with_suffix(".part").rename(path)
    return torch.from_numpy(np.load(path, mmap_mode="c")), targets


def _near(centres: Tensor, count: int, g: torch.Generator) -> Tensor:
    mode = torch.randint(MODES, (count,), generator=g)
    return normalize(centres[mode] + torch.randn(count, D, generator=g) * (0.8 / D**0.5), dim=1)


if __name__ == "__main__":
    main()
