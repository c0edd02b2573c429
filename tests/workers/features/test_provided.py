"""Matrices that users bring: three formats, one meaning, and a clear error for everything else."""

import io
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import save
from safetensors.torch import save as save_torch
from torch import Tensor

from evoselect.representations.sums import flatten
from store.errors import Invalid
from workers.features.known import Known, together
from workers.features.provided import provided

ROWS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def npy(array: npt.NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def rows_of(folder: Path, data: bytes, name: str, rows: int) -> tuple[Known, Tensor]:
    """What is known of a file that is stored under another name, as artifacts are, and its rows."""
    (folder / "stored").write_bytes(data)
    found = provided(folder / "stored", name, rows)
    return found.known, together(found.shards).values


FORMATS = {
    "a.npy": npy(ROWS),
    "b.NPY": npy(ROWS.astype(np.float64)),
    "c.safetensors": save({"anything": ROWS}),
    "d.parquet": parquet(pa.table({"x": list(ROWS)})),
    "e.parquet": parquet(pa.table({f"c{i}": ROWS[:, i] for i in range(3)})),
}


@pytest.mark.parametrize("name", FORMATS)
def test_all_formats_give_the_same_unit_rows(tmp_path: Path, name: str) -> None:
    known, values = rows_of(tmp_path, FORMATS[name], name, 5)
    assert known.status == ["ok"] * 5
    np.testing.assert_allclose(
        flatten(values),
        ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True),
        rtol=1e-6,
    )


CASES = Path(__file__).parents[1] / "cases"
NARROW = (torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)


@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_types_that_numpy_has_not_are_read_as_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    rows = torch.from_numpy(ROWS).to(dtype)
    _, values = rows_of(tmp_path, save_torch({"x": rows}), "m.safetensors", 5)
    assert torch.equal(values[:, 0], rows.float())


def test_a_public_matrix_in_bfloat16_is_read() -> None:
    found = provided(CASES / "pool_bf16.safetensors", "pool_bf16.safetensors", 12)
    assert found.known.status == ["ok"] * 12
    assert together(found.shards).values.dtype == torch.float32


def test_other_types_are_refused_by_name(tmp_path: Path) -> None:
    odd = {"x": torch.ones(4, 2, dtype=torch.complex64)}
    with pytest.raises(Invalid, match=r"complex64|C64"):
        rows_of(tmp_path, save_torch(odd), "m.safetensors", 4)
    scales = {"x": torch.ones(4, 2).to(torch.float8_e8m0fnu)}
    with pytest.raises(Invalid, match=r"(?i)e8m0"):
        rows_of(tmp_path, save_torch(scales), "m.safetensors", 4)


def test_rows_that_cannot_be_scored_say_why(tmp_path: Path) -> None:
    rows = ROWS.copy()
    rows[1], rows[2, 0], rows[3, 1] = 0.0, np.nan, np.inf
    known, _ = rows_of(tmp_path, npy(rows), "m.npy", 5)
    assert known.status == ["ok", "zero_gradient", "non_finite", "non_finite", "ok"]


@pytest.mark.parametrize("scale", [1e-20, 1e25])
def test_rows_that_float32_cannot_square_are_scaled_first(tmp_path: Path, scale: float) -> None:
    rows = ROWS.copy()
    rows[1:] *= np.float32(scale)
    _, values = rows_of(tmp_path, npy(rows), "m.npy", 5)
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    np.testing.assert_allclose(flatten(values), unit, rtol=1e-5)
    assert torch.equal(values[0, 0], torch.from_numpy(ROWS[0]))


def test_matrices_of_different_width_are_not_of_one_sketch(tmp_path: Path) -> None:
    narrow, _ = rows_of(tmp_path, npy(ROWS[:, :2]), "m.npy", 5)
    assert narrow.sketch != rows_of(tmp_path, npy(ROWS), "m.npy", 5)[0].sketch


@pytest.mark.parametrize(
    ("data", "name", "fault"),
    [
        (npy(ROWS), "m.npy", r"shape \(5, 3\), but there are 4 records"),
        (npy(ROWS[0]), "m.npy", r"shape \(3,\)"),
        (npy(ROWS), "m.csv", "has none of the suffixes"),
        (npy(ROWS), "", "has none of the suffixes"),
        (b"nonsense", "m.npy", "cannot be read as .npy"),
        (b"nonsense", "m.safetensors", "cannot be read as .safetensors"),
        (b"nonsense", "m.parquet", "cannot be read as a numeric .parquet"),
        (npy(np.array([["a"]] * 4)), "m.npy", "not numbers"),
        (npy(np.array([[{}]] * 4, dtype=object)), "m.npy", "Python objects"),
        (save({"a": ROWS, "b": ROWS}), "m.safetensors", r"holds 2 tensors \(a, b\), not one"),
        (parquet(pa.table({"x": ["a", "b", "c", "d"]})), "m.parquet", "not numbers"),
        (parquet(pa.table({"x": [[1.0], [1.0, 2.0]]})), "m.parquet", "cannot be read"),
        (parquet(pa.table({"x": [[1.0], None]})), "m.parquet", "cannot be read"),
        (parquet(pa.table({"x": [{"a": 1.0}]})), "m.parquet", "cannot be read"),
    ],
)
def test_other_files_are_refused_with_the_fault(tmp_path: Path, data: bytes, name: str, fault: str) -> None:
    with pytest.raises(Invalid, match=fault):
        rows_of(tmp_path, data, name, 4)


def test_parquet_takes_memory_for_its_numbers(tmp_path: Path) -> None:
    """A list of Python floats takes eight times as much."""
    rows = np.arange(20_000 * 64, dtype=np.float32).reshape(20_000, 64) + 1
    lists = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 64)
    (tmp_path / "m.parquet").write_bytes(parquet(pa.table({"x": lists})))
    tracemalloc.start()
    try:
        found = provided(tmp_path / "m.parquet", "m.parquet", 20_000)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found.known.status) == 20_000
    np.testing.assert_array_equal(together(found.shards).values[:, 0], rows)
    assert most < 3 * rows.nbytes, f"{most / 2**20:.1f} MiB"


PEAK = """
import re, sys
import numpy as np, torch
from pathlib import Path
from evoselect.neighbours.both_ways import nearest_both_ways
from evoselect.pools.part import Rows
from evoselect.spec.features import FeatureSpec
from evoselect.representations.shards import Features, Shard
from workers.features.provided import provided
from workers.selections.conditioned import conditioned

def peak():  # ru_maxrss would begin with the size of the process that started this one
    return int(re.search("VmHWM:[^0-9]*([0-9]+)", open("/proc/self/status").read())[1]) * 1024

file, rows = Path(sys.argv[1]), int(sys.argv[2])
def read(shards):
    found = conditioned(FeatureSpec(), shards, Features(shards[0].read().values[:20]), file.parent)
    Rows(found.candidates).check(0)
    nearest_both_ways(found.candidates, found.targets)
    return found.candidates.dtype

small = Features(torch.randn(500, 1, 1_024))
read([Shard(500, lambda: small)])
before = peak()
print(read(provided(file, "m.npy", rows).shards), peak() - before)
"""


def test_a_large_matrix_costs_memory_of_some_blocks(tmp_path: Path) -> None:
    """164 MB of float16 in the file, and the conditioned rows in another one; either held is refused."""
    rows, d = 80_000, 1_024
    file = tmp_path / "m.npy"
    matrix = np.lib.format.open_memmap(file, "w+", np.float16, (rows, d))
    draw = np.random.default_rng(0).standard_normal((5_000, d), dtype=np.float32)
    for start in range(0, rows, 5_000):
        matrix[start : start + 5_000] = np.roll(draw, start // 5_000, axis=1)
    matrix.flush()
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(file), str(rows)], capture_output=True, text=True, check=True
    )
    dtype, grown = done.stdout.split()
    assert dtype == "torch.float16"
    assert int(grown) < 1.3 * file.stat().st_size, f"{int(grown) / 2**20:.0f} MiB"
