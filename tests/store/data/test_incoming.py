"""A file that comes in is hashed on its way, and lies in the store under its hash."""

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest

from store.artifacts import CHUNK, Artifacts, WrongHash
from store.data.incoming import Incoming, incoming, put


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(f"file://{tmp_path}/store")


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_file_that_came_in_is_stored_as_a_stream_is(artifacts: Artifacts, elsewhere: bool) -> None:
    """Where it can be given a name, and where another file system holds it."""
    file = Incoming("/dev/shm") if elsewhere else incoming(artifacts)
    pieces = [b"", b"one", memoryview(b"two" * CHUNK), np.arange(3, dtype=np.int16)]
    with file:
        assert [file.write(piece) for piece in pieces] == [0, 3, 3 * CHUNK, 6]
        stored = put(artifacts, "t", file, ".bin")
        assert (os.fstat(file.fileno()).st_nlink == 0) == elsewhere  # it was copied, or is the stored file
        again = put(artifacts, "t", file, ".bin")
    whole = b"".join(bytes(piece) for piece in pieces)
    assert stored == again == artifacts.put_stream("t", io.BytesIO(whole), ".bin")
    assert artifacts.get_bytes(stored.path, stored.sha256) == whole
    assert len(list(artifacts.listing())) == 1


def test_what_came_in_with_another_hash_and_what_is_dropped_leave_nothing(artifacts: Artifacts) -> None:
    with incoming(artifacts) as file:
        file.write(b"one")
        with pytest.raises(WrongHash, match=hashlib.sha256(b"one").hexdigest()):
            put(artifacts, "t", file, ".bin", expected=hashlib.sha256(b"two").hexdigest())
    assert list(artifacts.listing()) == []
