"""The processes of embedded mode."""

from functools import partial

import psutil
import pytest

from embedded import servers
from embedded.supervisor import NICENESS
from tests.conftest import Stack

pytestmark = pytest.mark.slow


def test_workers_that_compute_step_back_and_the_one_that_relays_does_not(stack: Stack) -> None:
    def steps_back(queue: str) -> set[int]:
        parent = psutil.Process(stack.worker_pid(queue))
        children = [other for other in parent.children() if "spawn_main" in " ".join(other.cmdline())]
        return {child.nice() - parent.nice() for child in children}

    def has_stepped_back(queue: str) -> bool:
        return steps_back(queue) == {min(NICENESS, 19 - psutil.Process().nice())}

    log = stack.supervisor.home.logs / "features-worker.log"
    for queue in ("features", "select", "train"):  # a child is there before it has stepped back
        servers.wait_until(partial(has_stepped_back, queue), f"the {queue} worker", log)
    servers.wait_until(lambda: bool(steps_back("ops")), "the ops worker", log)
    assert steps_back("ops") == {0}
