"""Which GPUs a process of this machine may use, by the names that CUDA_VISIBLE_DEVICES takes.

Where that variable is set, it restricts them (SLURM sets it). Else `nvidia-smi -L` lists them, with the
instances (MIG) of those that are divided. Where that program is missing, torch counts, in another process.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence

VARIABLE = "CUDA_VISIBLE_DEVICES"
PROBE_SECONDS = 180.0  # torch's first import from a cold network disk takes a minute
GPU = re.compile(r"^GPU (?P<index>\d+): .*$")
INSTANCE = re.compile(r"^\s+MIG .*\(UUID: (?P<uuid>MIG-[^)\s]+)\)")
# Of a process that sees what a worker would see: by the same question as workers.models.loading.device_here.
COUNT = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)"


def visible(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The names of the GPUs that this process may use, in order; empty where there is none."""
    if (named := environment.get(VARIABLE)) is not None:
        return named_by(named)
    listed = _run(["nvidia-smi", "-L"], environment)
    if listed is not None:
        return listed_by(listed)
    counted = _run([sys.executable, "-c", COUNT], environment)
    return [str(index) for index in range(int(counted or 0))]


def named_by(value: str) -> list[str]:
    """What a variable names: CUDA reads it up to the first name that cannot be, such as -1 or NoDevFiles."""
    found: list[str] = []
    for name in (part.strip() for part in value.split(",")):
        if not re.fullmatch(r"\d+|(GPU|MIG)-\S+", name):
            break
        if name not in found:
            found.append(name)
    return found


def listed_by(text: str) -> list[str]:
    """From the lines of `nvidia-smi -L`: the instances of a GPU that is divided, else its index."""
    found: list[list[str]] = []
    for line in text.splitlines():
        if gpu := GPU.match(line):
            found.append([gpu["index"]])
        elif (instance := INSTANCE.match(line)) and found:
            found[-1] = [*(name for name in found[-1] if name.startswith("MIG-")), instance["uuid"]]
    return [name for names in found for name in names]


def unusable(devices: Sequence[str]) -> list[str]:
    """Those that torch does not see where it is shown them alone, as a worker will be."""
    probes = {
        device: subprocess.Popen(
            [sys.executable, "-c", COUNT],
            env={**os.environ, VARIABLE: device},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for device in devices
    }
    return [device for device, probe in probes.items() if _answer(probe) != "1"]


def _answer(probe: "subprocess.Popen[str]") -> str:
    try:
        return probe.communicate(timeout=PROBE_SECONDS)[0].strip()
    except subprocess.TimeoutExpired:  # a driver that hangs
        probe.kill()
        probe.communicate()
        return ""


def _run(command: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """What the program prints; None where it is missing or fails."""
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
            timeout=PROBE_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
