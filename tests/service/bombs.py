"""Reads one file as a batch and prints how much memory that took: `python -m tests.service.bombs PATH`.

Two numbers in bytes, on one line with the problem's code: what this process grew by beyond reading a harmless
file, and the peak of its children beyond theirs.
"""

import resource
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from service.ingest import BatchWriter
from service.problems import Problem
from service.stored_files import read_into
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


def main() -> None:
    """Warm up with a harmless file of either kind, then read the file of the command line."""
    with tempfile.TemporaryDirectory() as name:
        table = pa.table({"prompt": ["a?"], "completion": ["b"]})
        pq.write_table(table, Path(name) / "harmless.parquet")
        (Path(name) / "harmless.ndjson").write_text('{"prompt":"a?","completion":"b"}\n')
        for path in Path(name).iterdir():
            assert read(path) == "read"
    before = peaks()
    code = read(Path(sys.argv[1]))
    after = peaks()
    print(code, after[0] - before[0], after[1] - before[1])


if __name__ == "__main__":
    main()
