"""Features are computed once, come back in order, and are never those of another model."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.features import CHUNK, Features, Made, cached


def test_chunks_are_computed_once_and_come_back_in_order(tmp_path: Path) -> None:
    sizes = [(7 * i) % 50 for i in range(CHUNK + 9)]
    rows = [f"row {i}" for i in range(len(sizes))]
    computed: list[int] = []

    def compute(part: list[int]) -> dict[str, Any]:
        computed.extend(part)
        return {"values": np.array(part, dtype=np.float32)[:, None, None], "nll": -np.array(part)}

    def get(by: str) -> Features:
        return cached(Made("top", by, tmp_path), rows, sizes, compute)

    first, again = get("model 1"), get("model 1")
    assert sorted(computed) == list(range(len(rows)))
    for found in (first, again):
        assert found.values[:, 0, 0].tolist() == list(range(len(rows)))
        assert found.nll.tolist() == [-i for i in range(len(rows))]
    get("model 2")
    assert len(computed) == 2 * len(rows)
