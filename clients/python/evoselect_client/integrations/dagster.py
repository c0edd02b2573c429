"""Dagster: a selection as an asset, with its numbers as metadata, from files or upstream assets.

from dagster import AssetKey, Definitions, EnvVar, asset
from evoselect_client.integrations.dagster import EvoSelectResource, selection_asset


@asset
def pool() -> str:
    return "pool.jsonl"


service = EvoSelectResource(base_url=EnvVar("EVOSELECT_URL"), api_key=EnvVar("EVOSELECT_API_KEY"))
picked = selection_asset("picked", target="target.jsonl", candidates=AssetKey("pool"), ratio=0.25)
defs = Definitions(assets=[pool, picked], resources={"evoselect": service})
"""

from typing import Any

from evoselect_client.client import Client
from evoselect_client.integrations import needed
from evoselect_client.integrations.selecting import start, summary

with needed("dagster"):
    from dagster import (
        AssetExecutionContext,
        AssetIn,
        AssetKey,
        AssetsDefinition,
        ConfigurableResource,
        MaterializeResult,
        MetadataValue,
        asset,
    )


class EvoSelectResource(ConfigurableResource):  # type: ignore[misc, type-arg, unused-ignore]
    """A service and its key."""

    base_url: str
    api_key: str

    def client(self) -> Client:
        """A client, to be closed."""
        return Client(self.base_url, self.api_key)


def selection_asset(
    name: str, *, target: Any, candidates: Any, timeout: float | None = None, **options: Any
) -> AssetsDefinition:
    """An asset that is a completed selection; its value is the selection's id.

    `target` and `candidates` are records in any form that the client takes, the id of a stored one, or the
    AssetKey of an upstream asset with such a value. Options are those of `selections.create`. Needs the
    resource `evoselect`. A retried or re-executed run finds the job that it began.
    """
    given = {"target": target, "candidates": candidates}
    upstream = {role: AssetIn(key=key) for role, key in given.items() if isinstance(key, AssetKey)}

    @asset(name=name, ins=upstream, kinds={"evoselect"})  # type: ignore[untyped-decorator, unused-ignore]
    def selected(
        context: AssetExecutionContext, evoselect: EvoSelectResource, **values: Any
    ) -> MaterializeResult[Any]:
        run = context.run.root_run_id or context.run.run_id
        with evoselect.client() as client:
            selection = start(client, **{**given, **values}, identity=f"dagster/{run}/{name}", **options)
            context.log.info(f"waiting for {selection.id}")
            selection = selection.wait(timeout=timeout)
            numbers = {key: MetadataValue.float(value) for key, value in summary(selection).items()}
            where = f"{client.session.base_url}/v1/selections/{selection.id}"
            metadata: dict[str, Any] = {"selection_id": selection.id, "url": MetadataValue.url(where)}
            return MaterializeResult(value=selection.id, metadata=metadata | numbers)

    return selected
