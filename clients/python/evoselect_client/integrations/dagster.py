"""Dagster: a selection as an asset, with its numbers as metadata.

picked = selection_asset("picked", target="target.jsonl", candidates="pool.jsonl", k=1000)
defs = Definitions(assets=[picked])
"""

from typing import Any

from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, MetadataValue, asset

from evoselect_client.client import Client
from evoselect_client.integrations.selecting import start, summary


def selection_asset(
    name: str, *, target: Any, candidates: Any, timeout: float | None = None, **options: Any
) -> AssetsDefinition:
    """An asset that is a completed selection; options are those of `selections.create`.

    Address and key come from EVOSELECT_URL and EVOSELECT_API_KEY.
    """

    @asset(name=name, kinds={"evoselect"})  # type: ignore[untyped-decorator, unused-ignore]
    def selected(context: AssetExecutionContext) -> MaterializeResult[Any]:
        with Client() as client:
            selection = start(client, target, candidates, **options)
            context.log.info(f"waiting for {selection.id}")
            selection = selection.wait(timeout=timeout)
            numbers = {key: MetadataValue.float(value) for key, value in summary(selection).items()}
            where = f"{client.session.base_url}/v1/selections/{selection.id}"
            metadata: dict[str, Any] = {"selection_id": selection.id, "url": MetadataValue.url(where)}
            return MaterializeResult(metadata=metadata | numbers)

    return selected
