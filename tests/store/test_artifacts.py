"""Files appear whole, under their hash, and a changed byte is found."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from store.artifacts import Artifacts
from store.errors import ArtifactCorrupt


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(f"file://{tmp_path}/store")


def test_bytes_files_and_tables_come_back_as_they_were(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"one")
    by_file, by_bytes = artifacts.put_file("t", tmp_path / "a.bin"), artifacts.put_bytes("t", b"one", ".bin")
    assert by_file == by_bytes
    assert artifacts.get_bytes(by_file.path, by_file.sha256) == b"one"
    table = pa.table({"x": [1, 2]})
    stored = artifacts.put_table("t", table)
    assert artifacts.get_table(stored.path, stored.sha256) == table


def test_a_flipped_byte_and_a_missing_file_are_found(artifacts: Artifacts, tmp_path: Path) -> None:
    stored = artifacts.put_bytes("t", b"payload", ".bin")
    path = tmp_path / "store" / stored.path
    path.write_bytes(b"pazload")
    with pytest.raises(ArtifactCorrupt, match="hashes to"):
        artifacts.get_bytes(stored.path, stored.sha256)
    path.unlink()
    with pytest.raises(ArtifactCorrupt, match="is missing"):
        artifacts.get_bytes(stored.path, stored.sha256)


def test_a_failed_write_leaves_no_file(artifacts: Artifacts, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        artifacts.put_file("t", tmp_path / "absent.bin")
    assert not list((tmp_path).rglob("*.tmp"))


def test_a_path_that_leaves_the_store_is_refused(artifacts: Artifacts) -> None:
    with pytest.raises(ArtifactCorrupt, match="leaves the store"):
        artifacts.get_bytes("../secret", "0" * 64)


@pytest.mark.parametrize("rows", [range(10), range(3, 7), range(7, 8), range(4, 9), range(0)])
def test_some_rows_of_a_table_are_those_of_the_whole(tmp_path: Path, rows: range) -> None:
    table = pa.table({"n": list(range(10)), "other": [0] * 10})
    path = tmp_path / "t.parquet"
    pq.write_table(table, path, row_group_size=4)
    artifacts = Artifacts(f"file://{tmp_path}/store")
    stored = artifacts.put_file("t", path)
    found = artifacts.get_rows(stored.path, stored.sha256, rows, ["n", "position"])
    assert found.to_pydict() == {"n": list(rows)}
