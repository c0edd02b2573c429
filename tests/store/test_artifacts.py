"""Files appear whole, under their hash, and a changed byte is found."""

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from store.artifacts import CHUNK, Artifacts, Incoming, WrongHash
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


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_file_that_came_in_is_stored_as_a_stream_is(artifacts: Artifacts, elsewhere: bool) -> None:
    """Where it can be given a name, and where another file system holds it."""
    file = Incoming("/dev/shm") if elsewhere else artifacts.incoming()
    pieces = [b"", b"one", memoryview(b"two" * CHUNK), np.arange(3, dtype=np.int16)]
    with file:
        assert [file.write(piece) for piece in pieces] == [0, 3, 3 * CHUNK, 6]
        stored = artifacts.put_incoming("t", file, ".bin")
        assert (os.fstat(file.fileno()).st_nlink == 0) == elsewhere  # it was copied, or is the stored file
        again = artifacts.put_incoming("t", file, ".bin")
    whole = b"".join(bytes(piece) for piece in pieces)
    assert stored == again == artifacts.put_stream("t", io.BytesIO(whole), ".bin")
    assert artifacts.get_bytes(stored.path, stored.sha256) == whole
    assert len(list(artifacts.listing())) == 1


def test_what_came_in_with_another_hash_and_what_is_dropped_leave_nothing(artifacts: Artifacts) -> None:
    with artifacts.incoming() as file:
        file.write(b"one")
        with pytest.raises(WrongHash, match=hashlib.sha256(b"one").hexdigest()):
            artifacts.put_incoming("t", file, ".bin", hashlib.sha256(b"two").hexdigest())
    assert list(artifacts.listing()) == []
