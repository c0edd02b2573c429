"""What one tenant, or nobody, can do to another: attacks beside a second tenant that works.

python -m benchmarks.hostile [--only NAME ...] [--json]

The whole product runs as `evoselect up` runs it, on loopback. Each attack goes on in a process of its own
while the second tenant polls, uploads and waits for a small selection.
"""

import argparse
import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.growth import growth
from benchmarks.hostile.attacks import ATTACKS
from benchmarks.hostile.victim import Seen, Victim
from benchmarks.machine import describe
from store.accounts import tenants
from store.session import Database
from tests.conftest import Stack, start_stack, stop_stack

logger = logging.getLogger(__name__)
AT_LEAST, AT_MOST = 15.0, 120.0  # seconds of one attack
ALONE = 3  # selections without an attack; the first warms up
LIMIT_SECONDS = 60.0  # for an attack to stop after its time
MB = 10**6
LOOPBACK = "127.0.0.0/8"  # where silent receivers and generators listen


def main() -> int:
    """Run the attacks one after another on the same servers; print what they did.

    Exit status 1 where an attack has not attacked: its row is no evidence.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    logger.setLevel(logging.INFO)  # on standard error, while it goes on
    with tempfile.TemporaryDirectory(prefix="evoselect-hostile-") as home, _running(Path(home)) as stack:
        report = _measured(stack, arguments.only)
    report |= {"machine": describe()}
    lines = "\n".join(f"{key}: {value}" for key, value in report.items())
    print(json.dumps(report) if arguments.json else lines)
    return 1 if report["without_effect"] else 0


@contextmanager
def _running(home: Path) -> Iterator[Stack]:
    stack, thread = start_stack(home, [], webhook_networks=LOOPBACK, generator_networks=LOOPBACK)
    try:
        yield stack
    finally:
        stop_stack(stack, thread)


def _measured(stack: Stack, names: list[str]) -> dict[str, Any]:
    victim = Victim(stack.url, _key(stack, "second"))
    alone = [victim.beside(at_least=0, at_most=AT_MOST) for _ in range(ALONE)]
    if None in (ended := [seen.seconds for seen in alone[1:]]):
        raise RuntimeError(f"a selection alone does not end in {AT_MOST} s: this machine is too busy to tell")
    usual = median(seconds for seconds in ended if seconds is not None)
    logger.info("alone: %s", alone)
    attacks = {}
    for name in names:
        found = _beside(stack, victim, name, _key(stack, f"attacker {name}"))
        found["slowdown"] = round((found["selection_s"] or AT_MOST) / usual, 2)
        attacks[name] = found
        logger.info("%s: %s", name, found)
    return {
        "attacks": attacks,
        "alone_s": round(usual, 2),
        "alone_wait_s": round(max(seen.longest_wait for seen in alone), 3),
        "longest_wait_s": max(found["longest_wait_s"] for found in attacks.values()),
        "victim_failures": sum(len(found["failures"]) for found in attacks.values()),
        "rss_growth_mb": max(found["rss_growth_mb"] for found in attacks.values()),
        "slowdown": max(found["slowdown"] for found in attacks.values()),
        "lost": len(victim.lost()),
        "without_effect": [name for name, found in attacks.items() if not isinstance(found["answers"], dict)],
    }


def _beside(stack: Stack, victim: Victim, name: str, key: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.hostile.attacks", name, stack.url, key, str(AT_LEAST)]
    with (
        growth(stack.supervisor.running["api"].process.pid, every=0.1) as grown,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as attack,
    ):
        try:
            assert attack.stdout is not None
            attack.stdout.readline()  # READY: its imports are done
            seen = victim.beside(at_least=AT_LEAST, at_most=AT_MOST)
            said, _ = attack.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            attack.kill()
            said, _ = attack.communicate()
    return _row(seen, grown[0], said, attack.returncode)


def _row(seen: Seen, growth: int, said: str, status: int) -> dict[str, Any]:
    return {
        "longest_wait_s": round(seen.longest_wait, 3),
        "failures": seen.failures,
        "selection_s": None if seen.seconds is None else round(seen.seconds, 2),
        "rss_growth_mb": round(growth / MB, 1),
        "answers": (said and not status and json.loads(said)) or f"nothing was sent; it ended with {status}",
    }


def _key(stack: Stack, name: str) -> str:
    """The admin key of a new tenant."""
    environment = stack.supervisor.environment
    database, secret = Database(environment["EVOSELECT_DATABASE_URL"]), tenants.generate_key()
    with database.transaction() as session:
        tenant_id = tenants.ensure_tenant(session, name)
        tenants.add_key(
            session, tenant_id, name="hostile", secret=secret, pepper=environment["EVOSELECT_KEY_PEPPER"]
        )
    database.dispose()
    return secret


if __name__ == "__main__":
    sys.exit(main())
