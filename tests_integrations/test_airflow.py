"""The provider against a live service, in an environment of its own: Airflow pins many packages."""

import asyncio
import importlib
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import TaskDeferred

from evoselect_client import Client
from evoselect_client.integrations.airflow import EvoSelectHook, SelectionTrigger, SelectOperator
from tests_integrations.examples import POOL, TARGET, example


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection as operators set it in the environment."""
    address, key = os.environ["EVOSELECT_URL"], os.environ["EVOSELECT_API_KEY"]
    value = json.dumps({"conn_type": "evoselect", "host": address, "password": key})
    monkeypatch.setenv("AIRFLOW_CONN_EVOSELECT_DEFAULT", value)


async def first_event(trigger: Any) -> Any:
    return await anext(trigger.run())


def context_of(run_id: str) -> dict[str, Any]:
    return {"ti": SimpleNamespace(dag_id="d", run_id=run_id, task_id="select", map_index=-1)}


def deferred(operator: SelectOperator, run_id: str) -> SelectionTrigger:
    """The trigger as the triggerer makes it, from what was written down."""
    with pytest.raises(TaskDeferred) as caught:
        operator.execute(context_of(run_id))
    path, arguments = caught.value.trigger.serialize()
    module, name = path.rsplit(".", 1)
    trigger: SelectionTrigger = getattr(importlib.import_module(module), name)(**arguments)
    return trigger


@pytest.fixture
def select() -> SelectOperator:
    """Selects from stored candidates and a stored target."""
    with Client() as client:
        pool = client.pools.create()
        pool.add(POOL)
        target = client.targets.create(TARGET)
    return SelectOperator(task_id="select", target=target.id, candidates=pool.id, request={"k": 3})


def test_airflow_knows_the_connection() -> None:
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    assert manager.providers["evoselect-client"].data["name"] == "EvoSelect"
    hook = manager.hooks["evoselect"]
    assert hook is not None
    assert hook.hook_class_name.endswith(".EvoSelectHook")
    works, said = EvoSelectHook().test_connection()
    assert (works, "answers" in said) == (True, True)


def test_an_address_may_be_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    address, key = os.environ["EVOSELECT_URL"], os.environ["EVOSELECT_API_KEY"]
    schema, host, port = address.replace("//", "").split(":")
    value = {"conn_type": "evoselect", "schema": schema, "host": host, "port": int(port), "password": key}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(value))
    with EvoSelectHook("other").get_conn() as client:
        assert client.session.base_url == address
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({**value, "password": "evs_wrong"}))
    assert EvoSelectHook("other").test_connection()[0] is False


def test_a_selection_is_waited_for_in_the_triggerer(select: SelectOperator) -> None:
    event = asyncio.run(first_event(deferred(select, "r1")))
    selection_id = select.execute_complete({}, event.payload)
    assert len(list(Client().selections.items(selection_id))) == 3


def test_a_retried_task_finds_its_selection_and_begins_a_cancelled_one_anew(select: SelectOperator) -> None:
    trigger = deferred(select, "r2")
    assert deferred(select, "r2").selection_id == trigger.selection_id
    assert deferred(select, "r3").selection_id != trigger.selection_id
    with Client() as client:
        client.selections.retrieve(trigger.selection_id).cancel()
    event = asyncio.run(first_event(trigger))
    with pytest.raises(RuntimeError, match="cancelled"):
        select.execute_complete({}, event.payload)
    assert deferred(select, "r2").selection_id != trigger.selection_id


def test_the_example_is_a_dag_that_runs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From files to a selection's id, by Airflow's own command on a database of its own."""
    monkeypatch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    dags = Path(os.environ["AIRFLOW_HOME"]) / "dags"
    dags.mkdir(parents=True)
    (dags / "nightly.py").write_text(example("airflow"))
    airflow = Path(sys.executable).with_name("airflow")
    for asked in (["db", "migrate"], ["dags", "test", "nightly"]):
        done = subprocess.run([airflow, *asked], capture_output=True, text=True, check=False, timeout=200)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    selection = next(Client().selections.list())
    assert (selection.status, selection.request["k"]) == ("completed", 0.25 * len(POOL))
    with closing(sqlite3.connect(Path(os.environ["AIRFLOW_HOME"]) / "airflow.db")) as database:
        given = database.execute("select value from xcom where key = 'return_value'").fetchall()
    assert given == [(json.dumps(selection.id),)]
