"""Reads files as batches and prints how much memory each took: `python -m tests.service.bombs PATH...`.

Each is read in a fork of its own, whose peaks start anew. Two numbers in bytes, on one line with the code of
the problem: what that process grew by beyond reading a harmless file, and the peak of its children beyond
theirs.
"""

import os
import resource
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from service.http.problems import Problem
from service.intake.stored_files import read_into
from service.intake.writer import BatchWriter
from store.settings import Settings

KB = 1024  # the unit of ru_maxrss


def read(path: Path) -> str:
    """The code of the problem that the file ends in, or "read"."""
    settings = Settings(home=path.parent)
    with path.open("rb") as file, BatchWriter(settings, "reject_batch", None) as writer:
        try:
            read_into(writer, file, settings)
        except Problem as problem:
            return problem.code
    return "read"


def peaks() -> tuple[int, int]:
    """Largest resident sets of this process and of its children so far, in bytes."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    own, children = (resource.getrusage(one).ru_maxrss * KB for one in who)
    return own, children


def measure(path: Path) -> str:
    """The line of one file: warm up with a harmless file of either kind, then read it."""
    with tempfile.TemporaryDirectory() as name:
        table = pa.table({"prompt": ["a?"], "completion": ["b"]})
        pq.write_table(table, Path(name) / "harmless.parquet")
        (Path(name) / "harmless.ndjson").write_text('{"prompt":"a?","completion":"b"}\n')
        for harmless in Path(name).iterdir():
            assert read(harmless) == "read"
    before = peaks()
    code = read(path)
    after = peaks()
    return f"{code} {after[0] - before[0]} {after[1] - before[1]}"


def main() -> None:
    """One file after the other; a fork that fails ends it."""
    for name in sys.argv[1:]:
        fork = os.fork()
        if fork == 0:
            print(measure(Path(name)))
            return
        _, status = os.waitpid(fork, 0)
        if status:
            sys.exit(1)


if __name__ == "__main__":
    main()
