"""A demo that is ended in the middle ends all that it started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.demo.__main__ import INTERRUPTED


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_ending_the_demo_leaves_no_process(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.demo", "--out", str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stderr is not None
    assert any(line.startswith("started ops-worker") for line in process.stderr)
    below = psutil.Process(process.pid).children(recursive=True)
    assert len(below) > 7  # `up`, PostgreSQL, Valkey, the API, four workers
    process.send_signal(signal.SIGTERM)
    for _ in process.stderr:
        pass
    assert process.wait(90) == INTERRUPTED
    assert not [child for child in below if child.is_running()]
    assert not list(tmp_path.glob("evoselect-demo-*"))
