"""kill -9 of everything, then `evoselect up` again: the job that was under way completes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.demo.data import build
from evoselect_client.client import Client

pytestmark = [pytest.mark.long, pytest.mark.kills, pytest.mark.timeout(600)]
SETTINGS = {
    "EVOSELECT_RELAY_SECONDS": "0.2",
    "EVOSELECT_SWEEP_SECONDS": "1",
    "EVOSELECT_BLOCK_ROWS": "16",
    "EVOSELECT_HEARTBEAT_SECONDS": "0.5",
}


def start_up(home: Path) -> tuple["subprocess.Popen[str]", dict[str, str]]:
    """`evoselect up`, and the address that it prints once it serves."""
    command = [
        sys.executable,
        "-c",
        "from evoselect_cli.main import app; app()",
        "up",
        "--json",
        "--port",
        "0",
    ]
    process = subprocess.Popen(
        [*command, "--home", str(home)], stdout=subprocess.PIPE, text=True, env={**os.environ, **SETTINGS}
    )
    assert process.stdout is not None
    line = ""
    for line in process.stdout:
        if line.strip().endswith("}"):
            break
    return process, json.loads(line)


def kill_everything(supervisor: int) -> None:
    """SIGKILL for the supervisor and all that descends from it, the way a power cut would."""
    leader = psutil.Process(supervisor)
    victims = [leader, *leader.children(recursive=True)]
    for victim in victims:
        victim.send_signal(signal.SIGKILL)
    psutil.wait_procs(victims, timeout=10)


def test_a_power_cut_loses_nothing_that_was_accepted(tmp_path: Path) -> None:
    data = build(seed=5, scale=0.05)
    process, address = start_up(tmp_path / "home")
    with Client(address["url"], address["api_key"]) as client:
        pool = client.pools.create()
        pool.add(data.pool[:16])  # few: all of it is computed after the cut
        target = client.targets.create(data.target[:4])
        job = client.selections.create(target_id=target.id, pool_id=pool.id, k=5)
        deadline = time.monotonic() + 120
        while client.selections.retrieve(job.id).status == "queued":
            assert time.monotonic() < deadline
            time.sleep(0.05)
    kill_everything(process.pid)
    process.wait()
    again, address = start_up(tmp_path / "home")
    try:
        with Client(address["url"], address["api_key"]) as client:
            done = client.selections.retrieve(job.id).wait(timeout=300)
            assert len(list(done.items())) == 5
    finally:
        again.send_signal(signal.SIGTERM)
        again.wait(60)
    left = [p.pid for p in psutil.process_iter() if str(tmp_path) in " ".join(_command_line(p))]
    assert left == []


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
