"""A fleet of large pools, and what is asked of it: sums, lists and transport are the product's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx

from tests.chaos.fleet import Fleet, Tenant, fleet
from tests.chaos.large import pools
from tests.chaos.phases.large.conditions import WINDOW
from tests.chaos.runs import Order, Orders

HOLD_SECONDS = 0.4
SETTINGS: dict[str, Any] = {
    "lease_seconds": 6.0,  # a child that starts imports torch, which holds the interpreter's lock for seconds
    "heartbeat_seconds": 0.5,
    "shard_rows": WINDOW,
    "block_rows": WINDOW // 4,
}


@contextmanager
def large_fleet(home: Path) -> Iterator[Fleet]:
    """Until the block ends."""
    variables = {
        "CHAOS_BODIES": "large",
        "CHAOS_HOLD_SECONDS": f"{HOLD_SECONDS}",
        "OMP_NUM_THREADS": "1",  # two workers, and two cores
    }
    with fleet(home, variables=variables, **SETTINGS) as made:
        yield made


def orders_of(fleet: Fleet) -> Orders:
    """Selections by features that are computed and by a matrix that was sent, in turn as the seed has it."""
    sent = {tenant.id: {role: _sent(fleet, tenant, role) for role in pools.SIZES} for tenant in fleet.tenants}

    def ordered(fleet: Fleet, tenant: Tenant, rng: Random) -> Order:
        if rng.random() < 0.5:
            body = pools.body(rng)
            return Order(body, pools.expected_of_computed(body), pools.answer)
        body = pools.body_of_sent(rng, sent[tenant.id])
        return Order(body, pools.expected_of_sent(body), pools.answer)

    return ordered


def _sent(fleet: Fleet, tenant: Tenant, role: str) -> str:
    headers = {"Authorization": f"Bearer {tenant.key}", "Content-Type": "application/octet-stream"}
    content, name = pools.as_npy(role), {"name": f"{role}.npy"}
    answer = httpx.post(f"{fleet.url}/v1/files", content=content, params=name, headers=headers)
    answer.raise_for_status()
    file_id: str = answer.json()["id"]
    return file_id
