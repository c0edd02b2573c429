"""Look into pools: evoselect pools index | similar."""

from typing import Annotated

import typer
from rich.table import Column, Table

from evoselect_cli.jobs import print_job
from evoselect_cli.options import JsonOption
from evoselect_cli.output import err, out, print_json, wait
from evoselect_client import Client
from evoselect_client.models import SimilarRecords

pools = typer.Typer(help="Find records of a pool that are like one of them.", no_args_is_help=True)
PoolArgument = Annotated[str, typer.Argument(help="Id of a pool, pool_...")]
BEGINNING = 60  # characters of a record


@pools.command()
def index(
    pool_id: PoolArgument,
    selection: Annotated[
        str | None, typer.Option(help="Take its features, not those of the newest selection.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make the records of a pool findable by their features, and wait for that."""
    with Client() as client:
        print_job(wait(client.indexings.create(pool_id=pool_id, selection_id=selection)), json)


@pools.command()
def similar(
    pool_id: PoolArgument,
    record: Annotated[str | None, typer.Option(help="Id or content hash of a record of the pool.")] = None,
    text: Annotated[
        str | None, typer.Option(help="A text: refused, with what to do so that it has features.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many.")] = 10,
    json: JsonOption = False,
) -> None:
    """The records of a pool that are most like one of them, the nearest first."""
    if (record is None) == (text is None):
        raise typer.BadParameter("send exactly one of --record and --text")
    with Client() as client:
        found = client.pools.similar(pool_id, record, text=text, limit=limit)
    if json:
        print_json(found.model_dump(mode="json"))
        return
    table = Table(
        Column("number", justify="right"), "cosine", "near-copy", Column("id", no_wrap=True), "record"
    )
    for one in found.data:
        copy = {True: "yes", False: "", None: "?"}[one.near_copy]
        name = str(one.record.get("id", ""))[:BEGINNING].replace("[", r"\[")
        table.add_row(str(one.number), f"{one.cosine:.4f}", copy, name, _beginning(one.record))
    out.print(table)
    _tell(found, pool_id)


def _tell(found: SimilarRecords, pool_id: str) -> None:
    """What the answer does not have."""
    if found.missing:
        err.print(
            f"{found.missing} records came to the pool after its index: evoselect pools index {pool_id}",
            markup=False,
        )
    if found.index.recall is not None:
        err.print(f"A search finds {found.index.recall:.3f} of the ten nearest, as measured.", markup=False)


def _beginning(record: dict[str, object]) -> str:
    messages = record.get("messages")
    first = messages[0].get("content") if isinstance(messages, list) and messages else record.get("prompt")
    text = " ".join(str(first or "").split())
    return (text if len(text) <= BEGINNING else f"{text[:BEGINNING]}…").replace("[", r"\[")
