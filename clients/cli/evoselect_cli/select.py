"""Select candidates and read what was selected: evoselect select, items."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from evoselect_cli.connection import service
from evoselect_cli.inputs import (
    finish,
    is_id,
    pinned_of,
    pool_id_of,
    reading_of,
    settings_of,
    target_id_of,
)
from evoselect_cli.options import (
    ColumnsOption,
    FormatOption,
    FunnelOption,
    JsonOption,
    NameOption,
    OutOption,
    PinnedOption,
    RatioOption,
    SeedOption,
    SpecOption,
    TemplateOption,
    TokensOption,
    WaitOption,
)
from evoselect_cli.output import err, out, print_json, wait
from evoselect_cli.summary import excerpt, print_selection
from evoselect_client import Client
from evoselect_client.data.saving import TABLES
from evoselect_client.data.sources import is_table
from evoselect_client.models import Item, Selection

SHOWN_ITEMS = 10
TRIAL = [{"prompt": f"{n} + {n}?", "completion": str(2 * n)} for n in range(3)]  # rows to check options with


def select(
    target: Annotated[str, typer.Option(help="File of target examples, or a target's id.")],
    pool: Annotated[str, typer.Option(help="File of candidates, or a pool's id.")],
    k: Annotated[int | None, typer.Option("-k", "--k", min=1, help="How many candidates to select.")] = None,
    ratio: RatioOption = None,
    tokens: TokensOption = None,
    pinned: PinnedOption = None,
    method: Annotated[str | None, typer.Option(help="capacity (default), random, mean_cosine, ...")] = None,
    model: Annotated[str | None, typer.Option(help="Proxy model; default is the service's.")] = None,
    spec: SpecOption = None,
    funnel: FunnelOption = None,
    seed: SeedOption = None,
    name: NameOption = None,
    format: FormatOption = None,
    columns: ColumnsOption = None,
    template: TemplateOption = None,
    out_file: OutOption = None,
    wait_for_it: WaitOption = True,
    json: JsonOption = False,
) -> None:
    """Select the candidates of a pool that are worth training on for a target.

    Where no service is configured, one is started here for the time of the command.
    """
    if [k, ratio, tokens].count(None) != 2:
        raise typer.BadParameter("give exactly one of -k, --ratio and --tokens")
    if ratio == 0:
        raise typer.BadParameter("--ratio is a share above 0, at most 1")
    if out_file is not None and not wait_for_it:
        raise typer.BadParameter("--out needs the result: leave --no-wait out")
    options: dict[str, Any] = {
        "method": method,
        "model": model,
        "spec": settings_of(spec),
        "seed": seed,
        "name": name,
    }
    reading, own = reading_of(format, columns, template), pinned_of(pinned, k)
    stored = [is_id(value) for value in (target, pool)]  # a typing error is told before anything is uploaded
    _require_table(out_file, pool)
    with service() if wait_for_it else Client() as client:
        if not all(stored):  # so are options that the service does not take
            client.selections.estimate(target=TRIAL[:1], candidates=TRIAL[1:], **_trial(tokens), **options)
        job = client.selections.create(
            target_id=target_id_of(client, target, reading),
            pool_id=pool_id_of(client, pool, reading),
            k=k,
            ratio=ratio,
            tokens=tokens,
            pinned=own,
            features=None if funnel is None else {"funnel": {"share": funnel}},
            **options,
        )
        told = wait_for_it and not json
        job = wait(job) if told else finish(job, wait_for_it, json)
        if out_file is not None:
            _write(job, out_file)
        if told:
            print_selection(job, out_file)


def items(
    selection_id: Annotated[str, typer.Argument(help="A completed selection.")],
    out_file: OutOption = None,
    json: Annotated[bool, typer.Option("--json", help="All items as JSON Lines on stdout.")] = False,
) -> None:
    """Show or save what was selected."""
    with Client() as client:
        selection = client.selections.retrieve(selection_id)
        if out_file is not None:
            _write(selection, out_file)
        elif json:
            for item in selection.items():
                print_json(item.model_dump(mode="json", exclude_unset=True))
        else:
            _show(selection)


def _trial(tokens: int | None) -> dict[str, int]:
    """A budget for TRIAL; one in tokens goes with other settings than one in rows."""
    return {"k": 1} if tokens is None else {"tokens": tokens}


def _require_table(out_file: Path | None, pool: str) -> None:
    """Parquet comes out where Parquet or Arrow went in; of a stored pool the service tells."""
    if out_file is None or out_file.suffix.lower() not in TABLES or not Path(pool).is_file():
        return
    if not is_table(pool):
        raise typer.BadParameter(
            f"--out {out_file.name}: {pool} is no Parquet or Arrow, so write lines (.jsonl)"
        )


def _write(selection: Selection, path: Path) -> None:
    selection.save(path)
    err.print(f"wrote {path}", markup=False)


def _show(selection: Selection) -> None:
    names = ("rank", Column("id", no_wrap=True), "weight", "record")
    table = Table(*names, title=selection.id, title_justify="left")
    shown: list[Item] = []
    for item in selection.items(page_size=SHOWN_ITEMS):
        if len(shown) == SHOWN_ITEMS:
            break
        shown.append(item)
        table.add_row(str(item.rank), item.id, f"{item.weight:.4g}", excerpt(item.record))
    out.print(table)
    out.print("The first items; --json or --out give all.")
