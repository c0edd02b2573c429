"""The operator against a live service, in an environment of its own: Airflow pins many packages."""

import asyncio
import importlib
from typing import Any

import pytest
from airflow.exceptions import TaskDeferred

from evoselect_client import Client
from evoselect_client.integrations.airflow import SelectOperator

TARGET = [{"prompt": f"{n} + 1?", "completion": str(n + 1)} for n in range(3)]
POOL = [{"prompt": f"{n} + 2?", "completion": str(n + 2)} for n in range(12)]


async def first_event(trigger: Any) -> Any:
    return await anext(trigger.run())


def deferred(operator: SelectOperator) -> Any:
    """The trigger as the triggerer makes it, from what was written down."""
    with pytest.raises(TaskDeferred) as caught:
        operator.execute({})
    path, arguments = caught.value.trigger.serialize()
    module, name = path.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)(**arguments)


def operator(client: Client, request: dict[str, Any]) -> SelectOperator:
    pool = client.pools.create()
    pool.add(POOL)
    target = client.targets.create(TARGET)
    return SelectOperator(task_id="select", target_id=target.id, pool_id=pool.id, request=request)


def test_a_selection_is_waited_for_in_the_triggerer() -> None:
    with Client() as client:
        select = operator(client, {"k": 3})
        event = asyncio.run(first_event(deferred(select)))
        selection_id = select.execute_complete({}, event.payload)
        assert len(list(client.selections.items(selection_id))) == 3


def test_a_cancelled_selection_fails_the_task() -> None:
    with Client() as client:
        select = operator(client, {"k": 3})
        trigger = deferred(select)
        client.selections.cancel(trigger.selection_id)
        event = asyncio.run(first_event(trigger))
        with pytest.raises(RuntimeError, match="cancelled"):
            select.execute_complete({}, event.payload)
