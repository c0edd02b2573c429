"""Select candidates and read what was selected: evoselect select, items."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from evoselect_cli.connecting import service
from evoselect_cli.inputs import columns_of, finish, is_id, pool_id_of, settings_of, target_id_of
from evoselect_cli.options import ColumnsOption, FormatOption, JsonOption, SeedOption, SpecOption, WaitOption
from evoselect_cli.output import err, out, print_json, wait
from evoselect_cli.summary import excerpt, print_selection
from evoselect_client import Client
from evoselect_client.models import Item, Selection

SHOWN_ITEMS = 10


def select(
    target: Annotated[str, typer.Option(help="File of target examples, or a target's id.")],
    pool: Annotated[str, typer.Option(help="File of candidates, or a pool's id.")],
    k: Annotated[int | None, typer.Option("-k", "--k", min=1, help="How many candidates to select.")] = None,
    ratio: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Or the share of the pool to select.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="capacity (default), random, mean_cosine, ...")] = None,
    model: Annotated[str | None, typer.Option(help="Proxy model; default is the service's.")] = None,
    spec: SpecOption = None,
    seed: SeedOption = None,
    name: Annotated[str | None, typer.Option(help="A name of yours for the selection.")] = None,
    format: FormatOption = None,
    columns: ColumnsOption = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Write the selected rows here, as they came.")
    ] = None,
    wait_for_it: WaitOption = True,
    json: JsonOption = False,
) -> None:
    """Select the candidates of a pool that are worth training on for a target.

    Where no service is configured, one is started here for the time of the command.
    """
    if (k is None) == (ratio is None):
        raise typer.BadParameter("give exactly one of -k and --ratio")
    if out_file is not None and not wait_for_it:
        raise typer.BadParameter("--out needs the result: leave --no-wait out")
    settings = settings_of(spec)
    mapped = columns_of(columns)
    for value in (target, pool):
        is_id(value)  # a typing error is told before anything is uploaded
    with service() if wait_for_it else Client() as client:
        job = client.selections.create(
            target_id=target_id_of(client, target, format, mapped),
            pool_id=pool_id_of(client, pool, format, mapped),
            k=k,
            ratio=ratio,
            method=method,
            model=model,
            spec=settings,
            seed=seed,
            name=name,
        )
        told = wait_for_it and not json
        job = wait(job) if told else finish(job, wait_for_it, json)
        if out_file is not None:
            _write(job, out_file)
        if told:
            print_selection(job, out_file)


def items(
    selection_id: Annotated[str, typer.Argument(help="A completed selection.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Write the selected rows here, as they came.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="All items as JSON Lines on stdout.")] = False,
) -> None:
    """Show or save what was selected."""
    with Client() as client:
        selection = client.selections.retrieve(selection_id)
        if out_file is not None:
            _write(selection, out_file)
        elif json:
            for item in selection.items():
                print_json(item.model_dump(mode="json"))
        else:
            _show(selection)


def _write(selection: Selection, path: Path) -> None:
    """The selected rows as they came, in rank order; the file appears only when it is complete."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("w", encoding="utf-8") as file:
        for row in selection.rows():
            file.write(row + "\n")
    temporary.replace(path)
    err.print(f"wrote {path}", markup=False)


def _show(selection: Selection) -> None:
    table = Table("rank", "id", "weight", "record", title=selection.id, title_justify="left")
    shown: list[Item] = []
    for item in selection.items(page_size=SHOWN_ITEMS):
        if len(shown) == SHOWN_ITEMS:
            break
        shown.append(item)
        table.add_row(str(item.rank), item.id, f"{item.weight:.4g}", excerpt(item.record))
    out.print(table)
    out.print("The first items; --json or --out give all.")
