"""Matrices that users bring: three formats, one meaning, and a clear error for everything else."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save

from store.errors import Invalid
from workers.provided import provided_block

ROWS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def npy(array: npt.NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


FORMATS = {
    "a.npy": npy(ROWS),
    "b.NPY": npy(ROWS.astype(np.float64)),
    "c.safetensors": save({"anything": ROWS}),
    "d.parquet": parquet(pa.table({"x": list(ROWS)})),
    "e.parquet": parquet(pa.table({f"c{i}": ROWS[:, i] for i in range(3)})),
}


@pytest.mark.parametrize("name", FORMATS)
def test_all_formats_give_the_same_unit_rows(name: str) -> None:
    block = provided_block(FORMATS[name], name, 5)
    assert block.status == ["ok"] * 5
    np.testing.assert_allclose(
        block.values[:, 0], ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True), rtol=1e-6
    )


def test_rows_that_cannot_be_scored_say_why() -> None:
    rows = ROWS.copy()
    rows[1], rows[2, 0], rows[3, 1] = 0.0, np.nan, np.inf
    block = provided_block(npy(rows), "m.npy", 5)
    assert block.status == ["ok", "zero_gradient", "non_finite", "non_finite", "ok"]
    assert not block.values[1:4].any()


def test_matrices_of_different_width_are_not_of_one_sketch() -> None:
    assert provided_block(npy(ROWS), "m.npy", 5).sketch != provided_block(npy(ROWS[:, :2]), "m.npy", 5).sketch


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
        (npy(np.array([[{}]] * 4, dtype=object)), "m.npy", "allow_pickle=False"),
        (save({"a": ROWS, "b": ROWS}), "m.safetensors", r"holds 2 tensors \(a, b\), not one"),
        (parquet(pa.table({"x": ["a", "b", "c", "d"]})), "m.parquet", "not numbers"),
        (parquet(pa.table({"x": [[1.0], [1.0, 2.0]]})), "m.parquet", "cannot be read"),
    ],
)
def test_other_files_are_refused_with_the_fault(data: bytes, name: str, fault: str) -> None:
    with pytest.raises(Invalid, match=fault):
        provided_block(data, name, 4)
