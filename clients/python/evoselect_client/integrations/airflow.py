"""Airflow: a deferrable operator and its hook; while the service works, no worker slot is held.

from airflow.sdk import DAG
from evoselect_client.integrations.airflow import SelectOperator

with DAG("nightly") as dag:
    SelectOperator(task_id="select", target="target.jsonl", candidates="pool.jsonl", request={"ratio": 0.25})
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from evoselect_client.client import AsyncClient, Client
from evoselect_client.errors import EvoSelectError, JobFailedError
from evoselect_client.integrations import needed
from evoselect_client.integrations.selecting import start

with needed("airflow"):
    from airflow.sdk import BaseHook, BaseOperator
    from airflow.triggers.base import BaseTrigger, TriggerEvent

CONNECTION = "evoselect_default"


class EvoSelectHook(BaseHook):  # type: ignore[misc, unused-ignore]
    """A connection of type `evoselect`: host (with schema and port) is the address, password the key."""

    conn_name_attr = "evoselect_conn_id"
    default_conn_name = CONNECTION
    conn_type = "evoselect"
    hook_name = "EvoSelect"

    def __init__(self, evoselect_conn_id: str = CONNECTION) -> None:
        super().__init__()
        self.evoselect_conn_id = evoselect_conn_id

    def get_conn(self) -> Client:
        """A client, to be closed."""
        return Client(*_endpoint(self.get_connection(self.evoselect_conn_id)))

    async def get_async_conn(self) -> AsyncClient:
        """A client for the triggerer, to be closed."""
        return AsyncClient(*_endpoint(await self.aget_connection(self.evoselect_conn_id)))

    def test_connection(self) -> tuple[bool, str]:
        """Whether the service answers and knows the key."""
        try:
            with self.get_conn() as client:
                count = len(list(client.models.list()))
        except EvoSelectError as error:
            return False, str(error)
        return True, f"The service answers and has {count} models."

    @staticmethod
    def get_ui_field_behaviour() -> dict[str, Any]:
        """What the form of a connection shows."""
        return {
            "hidden_fields": ["login", "extra"],
            "relabeling": {"host": "Address", "password": "API key"},
            "placeholders": {"host": "https://evoselect.example.org", "password": "evs_..."},
        }


class SelectOperator(BaseOperator):  # type: ignore[misc, unused-ignore]
    """Starts a selection, waits in the triggerer, and returns its id.

    `target` and `candidates` are ids, or files that workers can read, or their URLs; `request` has more
    arguments of `selections.create`. A retried task finds the job that it began, and data that were sent.
    """

    template_fields = ("target", "candidates", "request")

    def __init__(
        self,
        *,
        target: Any,
        candidates: Any,
        request: dict[str, Any],
        evoselect_conn_id: str = CONNECTION,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.target = target
        self.candidates = candidates
        self.request = request
        self.evoselect_conn_id = evoselect_conn_id

    def execute(self, context: Any) -> None:
        """Start the selection, or find it, and give the slot back."""
        task = context["ti"]
        identity = f"airflow/{task.dag_id}/{task.run_id}/{task.task_id}/{task.map_index}"
        with EvoSelectHook(self.evoselect_conn_id).get_conn() as client:
            selection = start(client, self.target, self.candidates, identity=identity, **self.request)
        trigger = SelectionTrigger(selection.id, self.evoselect_conn_id)
        self.defer(trigger=trigger, method_name="execute_complete")

    def execute_complete(self, context: Any, event: dict[str, Any]) -> str:
        """The id of the completed selection; an exception for one that has ended otherwise."""
        if event["status"] != "completed":
            raise RuntimeError(event["detail"])
        return str(event["id"])


class SelectionTrigger(BaseTrigger):  # type: ignore[misc, unused-ignore]
    """Waits for one selection."""

    def __init__(self, selection_id: str, evoselect_conn_id: str = CONNECTION) -> None:
        super().__init__()
        self.selection_id = selection_id
        self.evoselect_conn_id = evoselect_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How another process makes it again."""
        arguments = {"selection_id": self.selection_id, "evoselect_conn_id": self.evoselect_conn_id}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event, at the end."""
        try:
            async with await EvoSelectHook(self.evoselect_conn_id).get_async_conn() as client:
                selection = await client.selections.retrieve(self.selection_id)
                await selection.wait()
            yield TriggerEvent({"status": "completed", "id": self.selection_id})
        except JobFailedError as error:
            yield TriggerEvent({"status": error.job.status, "id": self.selection_id, "detail": str(error)})
        except EvoSelectError as error:
            yield TriggerEvent({"status": "unknown", "id": self.selection_id, "detail": str(error)})


def _endpoint(connection: Any) -> tuple[str, str]:
    """Address and key of a connection; https where it does not say."""
    host, port = connection.host or "", f":{connection.port}" if connection.port else ""
    url = f"{host}{port}" if "://" in host else f"{connection.schema or 'https'}://{host}{port}"
    return url, connection.password or ""
