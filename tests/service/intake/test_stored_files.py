"""Files that ask for more memory than they have bytes: refused by name within 64 MB, whatever they claim."""

import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROOT = Path(__file__).parents[3]
BOUND = 64 * 2**20


def gzip_bomb(path: Path) -> None:
    """1 GiB of line ends in 1 MiB: one flushed piece of 1 MiB, again and again."""
    codec = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    head, piece = (codec.compress(b"\n" * 2**20) + codec.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    path.write_bytes(head + piece * 1023)


def zstd_bomb(path: Path) -> None:
    """1 GiB in some 33 kB."""
    codec = zstd.ZstdCompressor()
    path.write_bytes(b"".join(codec.compress(b"\n" * 2**20) for _ in range(1024)) + codec.flush())


def zstd_window(path: Path) -> None:
    """A frame that asks for a window of 128 MiB."""
    codec = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    path.write_bytes(codec.compress(b'{"prompt":"a?","completion":"b"}\n') + codec.flush())


def parquet_page(path: Path) -> None:
    """One text of 160 MiB that compresses to some kilobytes."""
    table = pa.table({"prompt": ["a" * (160 * 2**20)], "completion": ["b"]})
    pq.write_table(table, path, compression="zstd", use_dictionary=False)


def parquet_dictionary(path: Path) -> None:
    """One text of 1 MiB that a million rows point at."""
    indices = pa.array(np.zeros(1_000_000, dtype=np.int32))
    texts = pa.DictionaryArray.from_arrays(indices, pa.array(["a" * 2**20]))
    pq.write_table(pa.table({"prompt": texts, "completion": texts}), path, compression="zstd")


def parquet_list(path: Path) -> None:
    """One row of 20 million turns, run-length coded: 160 MB of offsets."""
    turns = pa.nulls(20_000_000, pa.struct([("role", pa.string()), ("content", pa.string())]))
    lists = pa.ListArray.from_arrays(pa.array([0, len(turns)], pa.int32()), turns)
    pq.write_table(pa.table({"messages": lists}), path, compression="zstd")


def parquet_rows(path: Path) -> None:
    """20 million empty rows, twice what a batch may have."""
    names = ("prompt", "completion")
    table = pa.table({name: pa.nulls(20_000_000, pa.string()) for name in names})
    pq.write_table(table, path, compression="zstd")


def parquet_footer(path: Path) -> None:
    """A footer that claims 2 GiB."""
    path.write_bytes(b"PAR1" + b"\x00" * 1000 + (2**31 - 1).to_bytes(4, "little") + b"PAR1")


def honest(path: Path) -> None:
    """200,000 records of which none repeats another."""
    texts = [f"some words of record {n}, which nobody sent before: {n * n}" for n in range(200_000)]
    pq.write_table(pa.table({"prompt": texts, "completion": texts}), path, compression="zstd")


REFUSED: dict[Callable[[Path], None], set[str]] = {
    gzip_bomb: {"expands_too_much"},
    zstd_bomb: {"expands_too_much"},
    zstd_window: {"window_too_large"},
    parquet_page: {"expands_too_much", "parquet_too_large"},
    parquet_dictionary: {"expands_too_much", "parquet_too_large"},
    parquet_list: {"parquet_too_large"},
    parquet_rows: {"too_many_records"},
    parquet_footer: {"bad_parquet"},
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """By the name of a file's maker, what reading it said; in one process: its imports outlast most files."""
    makers, folder = [*REFUSED, honest], tmp_path_factory.mktemp("bombs")
    for make in makers:
        make(folder / make.__name__)
    command = [sys.executable, "-m", "tests.service.bombs", *(str(folder / make.__name__) for make in makers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=240)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    return dict(zip((make.__name__ for make in makers), lines, strict=True))


@pytest.mark.parametrize("make", REFUSED)
def test_a_bomb_is_refused_within_the_bound(said: dict[str, list[str]], make: Callable[[Path], None]) -> None:
    code, own, children = said[make.__name__]
    assert code in REFUSED[make]
    assert int(own) < BOUND
    assert int(children) < BOUND


def test_an_honest_file_passes_the_same_way(said: dict[str, list[str]]) -> None:
    assert said["honest"][0] == "read"
