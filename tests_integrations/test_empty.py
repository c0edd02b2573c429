"""The client, installed from the package index into an environment without anything else."""

import sys

from evoselect_client import Client


def test_a_selection() -> None:
    client = Client()
    target = client.targets.create([{"prompt": "1 + 1?", "completion": "2"}])
    pool = client.pools.create()
    pool.add({"prompt": f"{n} + 2?", "completion": str(n + 2)} for n in range(4))
    selection = client.selections.create(target_id=target.id, pool_id=pool.id, k=2).wait()
    assert [item.rank for item in selection.items()] == [1, 2]
    assert not {"numpy", "pandas", "torch", "rich"} & sys.modules.keys()
