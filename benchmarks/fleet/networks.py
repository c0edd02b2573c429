"""Network namespaces on one bridge: machines that reach each other by address alone. Needs root and `ip`."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

SUBNETS = range(200, 250)  # third number of 10.213.x.0/24
FIRST_HOST = 10


class CannotBuild(RuntimeError):
    """No network can be built here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A namespace with one address, and nobody on its loopback but itself."""

    name: str
    namespace: str
    address: str
    cable: str
    """The end of its link that hangs on the bridge."""

    def inside(self, arguments: Sequence[str]) -> list[str]:
        """The command that runs these arguments there."""
        return ["ip", "netns", "exec", self.namespace, *arguments]

    def cut(self) -> None:
        """Pull the cable: what runs there goes on, and reaches nobody."""
        _ip("link", "set", self.cable, "down")

    def mend(self) -> None:
        """Plug it in again."""
        _ip("link", "set", self.cable, "up")


@dataclass(frozen=True, slots=True)
class Network:
    """The machines by name, and the bridge's own address."""

    machines: dict[str, Machine]
    address: str
    subnet: str


def require_possible() -> None:
    """Raises CannotBuild with the next step."""
    if os.geteuid() != 0:
        raise CannotBuild("network namespaces need root: run this as root, or with sudo")
    for program in ("ip", "setpriv"):
        if shutil.which(program) is None:
            raise CannotBuild(f"there is no {program!r} here: install iproute2 and util-linux")


@contextmanager
def network(names: Sequence[str]) -> Iterator[Network]:
    """Until the block ends, however it ends; then nothing is left of it. Raises CannotBuild."""
    require_possible()
    tag = f"evo{os.getpid() % 100_000}"
    bridge, subnet = f"{tag}br", _free_subnet()
    machines = {
        name: Machine(name, f"{tag}-{name}", f"{subnet}.{FIRST_HOST + number}", f"{tag}v{number}")
        for number, name in enumerate(names)
    }
    try:
        _ip("link", "add", bridge, "type", "bridge")
        _ip("addr", "add", f"{subnet}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for machine in machines.values():
            _add(machine, bridge)
        yield Network(machines, f"{subnet}.1", f"{subnet}.0/24")
    finally:
        for machine in machines.values():
            _remove(machine)
        _quietly("link", "del", bridge)


def left(tag: str = f"evo{os.getpid() % 100_000}") -> list[str]:
    """Namespaces and links of this process that are still there."""
    listed = [*_said("netns", "list").splitlines(), *_said("-brief", "link").splitlines()]
    return [line.split()[0] for line in listed if line.startswith(tag)]


def _add(machine: Machine, bridge: str) -> None:
    inside = ("-n", machine.namespace)
    _ip("netns", "add", machine.namespace)
    _ip("link", "add", machine.cable, "type", "veth", "peer", "name", "eth0", "netns", machine.namespace)
    _ip("link", "set", machine.cable, "master", bridge, "up")
    _ip(*inside, "addr", "add", f"{machine.address}/24", "dev", "eth0")
    _ip(*inside, "link", "set", "eth0", "up")
    _ip(*inside, "link", "set", "lo", "up")


def _remove(machine: Machine) -> None:
    with suppress(CannotBuild):
        for pid in _said("netns", "pids", machine.namespace).split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    _quietly("link", "del", machine.cable)  # a namespace that ends takes its link along later
    _quietly("netns", "del", machine.namespace)


def _free_subnet() -> str:
    taken = _said("-4", "-brief", "addr")
    for number in SUBNETS:
        if f"10.213.{number}." not in taken:
            return f"10.213.{number}"
    raise CannotBuild(f"all of 10.213.{SUBNETS[0]}.0 to 10.213.{SUBNETS[-1]}.0 are taken: remove old bridges")


def _quietly(*arguments: str) -> None:
    with suppress(CannotBuild):
        _ip(*arguments)


def _ip(*arguments: str) -> None:
    _said(*arguments)


def _said(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotBuild(f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}")
    return done.stdout
