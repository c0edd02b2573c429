"""Prefect: a selection as a task.

@flow
def nightly() -> None:
    selection = select_examples("target.jsonl", "pool.jsonl", k=1000)
"""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger, task

from evoselect_client.client import Client
from evoselect_client.integrations.selecting import start, summary


@task(name="evoselect", retries=2, retry_delay_seconds=30)  # type: ignore[untyped-decorator, unused-ignore]
def select_examples(
    target: Any, candidates: Any, *, timeout: float | None = None, **options: Any
) -> dict[str, Any]:
    """Send target and candidates, wait, and return {"id", "summary"} of the selection.

    Address and key come from EVOSELECT_URL and EVOSELECT_API_KEY, so that no secret is a parameter of the
    flow. Options are those of `selections.create`.
    """
    with Client() as client:
        selection = start(client, target, candidates, **options)
        get_run_logger().info("waiting for %s", selection.id)
        selection = selection.wait(timeout=timeout)
        return {"id": selection.id, "summary": summary(selection)}
