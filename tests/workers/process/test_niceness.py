"""A worker gives way with its whole session."""

import subprocess
import sys

import pytest

from workers.process.niceness import SESSION

GIVES_WAY = """
import os
from workers.process.niceness import SESSION, give_way
give_way(7)
print(os.nice(0), SESSION.read_text().split()[-1])
"""


@pytest.mark.skipif(not SESSION.exists(), reason="this system has no autogroups")
def test_the_session_gives_way_with_the_process() -> None:
    """Several that start at once as well: the kernel takes one change in 100 ms from users."""
    started = [
        subprocess.Popen([sys.executable, "-c", GIVES_WAY], stdout=subprocess.PIPE, start_new_session=True)
        for _ in range(3)
    ]
    assert [one.communicate()[0].split() for one in started] == [[b"7", b"7"]] * 3
