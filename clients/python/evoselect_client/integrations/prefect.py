"""Prefect: a selection as a task, with the service and its key in a block.

from prefect import flow
from evoselect_client.integrations.prefect import EvoSelect, select_examples


@flow
def nightly() -> str:
    service = EvoSelect.load("production")
    return select_examples("target.jsonl", "pool.jsonl", service=service, ratio=0.25)["id"]
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, SecretStr

from evoselect_client.client import Client
from evoselect_client.integrations import needed
from evoselect_client.integrations.selecting import start, summary

with needed("prefect"):
    from prefect import get_run_logger, task
    from prefect.blocks.core import Block
    from prefect.runtime import flow_run, task_run


class EvoSelect(Block):  # type: ignore[misc, unused-ignore]
    """A service and its key as Prefect stores them; `prefect block register -m` this module."""

    _block_type_name = "EvoSelect"
    _block_type_slug = "evoselect"

    base_url: str = Field(description="Address of the service.")
    api_key: SecretStr = Field(description="A key with the scope select.")

    def client(self) -> Client:
        """A client, to be closed."""
        return Client(self.base_url, self.api_key.get_secret_value())


@task(name="evoselect", retries=2, retry_delay_seconds=30)  # type: ignore[untyped-decorator, unused-ignore]
def select_examples(
    target: Any,
    candidates: Any,
    *,
    service: EvoSelect | None = None,
    timeout: float | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Send target and candidates, wait, and return {"id", "summary"} of the selection.

    Both may be ids of stored ones. Without `service` address and key come from EVOSELECT_URL and
    EVOSELECT_API_KEY. Options are those of `selections.create`. A retry, of the task or of its flow, finds
    the job that it began.
    """
    identity = f"prefect/{flow_run.id or task_run.id}"
    with service.client() if service else Client() as client:
        selection = start(client, target, candidates, identity=identity, **options)
        get_run_logger().info("waiting for %s", selection.id)
        selection = selection.wait(timeout=timeout)
        return {"id": selection.id, "summary": summary(selection)}
