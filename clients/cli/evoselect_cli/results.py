"""Look at results: evoselect watch, report, compare, explain, pools."""

import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from evoselect_cli.jobs import noun_of, print_job
from evoselect_cli.options import JobArgument, JsonOption, in_a_folder
from evoselect_cli.output import err, out, print_json, print_pairs, wait
from evoselect_client import Client
from evoselect_client.models import SimilarRecords

pools = typer.Typer(help="Find records of a pool that are like one of them.", no_args_is_help=True)
PoolArgument = Annotated[str, typer.Argument(help="Id of a pool, pool_...")]
BEGINNING = 60  # characters of a record
SelectionArgument = Annotated[str, typer.Argument(help="A completed selection.")]


def watch(job_id: JobArgument, json: JsonOption = False) -> None:
    """Follow a job to its end, with its progress on stderr; exit code 1 when it ends without a result."""
    with Client() as client:
        print_job(wait(noun_of(client, job_id).retrieve(job_id)), json)


def report(
    job_id: Annotated[str, typer.Argument(help="A completed selection, a loop, or a comparison.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Default is <id>.html here.", callback=in_a_folder)
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    json: JsonOption = False,
) -> None:
    """Save the report of a selection, a loop or a comparison as one HTML page that needs nothing else."""
    with Client() as client:
        nouns: dict[str, Any] = {"loop": client.loops, "cmp": client.comparisons}
        page = nouns.get(job_id.partition("_")[0], client.selections).report(job_id)
    path = (out_file or Path(f"{job_id}.html")).resolve()
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(path)
    if json:
        print_json({"path": str(path)})
    else:
        out.print(f"wrote {path}", markup=False)
    if open_it and not webbrowser.open(path.as_uri()):
        err.print(f"no browser could be started: open {path.as_uri()}", markup=False)


def compare(
    selection_id: SelectionArgument,
    other_id: Annotated[str, typer.Argument(help="Another one.")],
    json: JsonOption = False,
) -> None:
    """Say what two selections share, and how coverage changes from the first to the second."""
    with Client() as client:
        found = client.selections.compare(selection_id, other_id)
    if json:
        print_json(found.model_dump(mode="json"))
        return
    pairs = {f"overlap {name}": value for name, value in found.overlap.items()}
    pairs["rank correlation"] = found.rank_correlation
    pairs |= {f"coverage {name}": value for name, value in (found.coverage or {}).items()}
    pairs |= {f"transport {name}": value for name, value in found.transport.items()}
    print_pairs(f"{selection_id} and {other_id}", pairs)


def explain(
    selection_id: SelectionArgument,
    candidate: Annotated[str, typer.Argument(help="Id or content hash of a candidate.")],
    json: JsonOption = False,
) -> None:
    """Say why a candidate was selected or was not."""
    with Client() as client:
        found = client.selections.candidate(selection_id, candidate)
    if json:
        print_json(found.model_dump(mode="json"))
        return
    pairs = {"status": found.status, "reason": found.reason, "content hash": found.content_hash}
    details = {"nearest target": found.nearest_target, "last selected": found.last_selected}
    print_pairs(found.id, pairs | {name: value for name, value in details.items() if value is not None})


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
