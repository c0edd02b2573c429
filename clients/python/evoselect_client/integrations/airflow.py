"""Airflow: a deferrable operator; while the service works, no worker slot is held.

SelectOperator(task_id="select", target_id="tgt_...", pool_id="pool_...", k=1000)
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

from evoselect_client.client import AsyncClient, Client
from evoselect_client.errors import EvoSelectError, JobFailedError


class SelectOperator(BaseOperator):  # type: ignore[misc, unused-ignore]
    """Starts a selection, waits in the triggerer, and returns its id.

    Address and key come from EVOSELECT_URL and EVOSELECT_API_KEY, of workers and triggerer. What belongs to
    one try of the task is one selection, so a retried task starts a new one.
    """

    template_fields = ("target_id", "pool_id")

    def __init__(self, *, target_id: str, pool_id: str, request: dict[str, Any], **options: Any) -> None:
        super().__init__(**options)
        self.target_id = target_id
        self.pool_id = pool_id
        self.request = request

    def execute(self, context: Any) -> None:
        """Start the selection and give the slot back."""
        with Client() as client:
            selection = client.selections.create(
                target_id=self.target_id, pool_id=self.pool_id, **self.request
            )
        self.defer(trigger=SelectionTrigger(selection.id), method_name="execute_complete")

    def execute_complete(self, context: Any, event: dict[str, Any]) -> str:
        """The id of the completed selection; an exception for one that has ended otherwise."""
        if event["status"] != "completed":
            raise RuntimeError(event["detail"])
        return str(event["id"])


class SelectionTrigger(BaseTrigger):  # type: ignore[misc, unused-ignore]
    """Waits for one selection."""

    def __init__(self, selection_id: str) -> None:
        super().__init__()
        self.selection_id = selection_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How another process makes it again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"selection_id": self.selection_id}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event, at the end."""
        try:
            async with AsyncClient() as client:
                selection = await client.selections.retrieve(self.selection_id)
                await selection.wait()
            yield TriggerEvent({"status": "completed", "id": self.selection_id})
        except JobFailedError as error:
            yield TriggerEvent({"status": error.job.status, "id": self.selection_id, "detail": str(error)})
        except EvoSelectError as error:
            yield TriggerEvent({"status": "unknown", "id": self.selection_id, "detail": str(error)})
