"""Look at models and save what trainings made: evoselect models list|save."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from evoselect_cli.options import JsonOption
from evoselect_cli.output import out, print_json
from evoselect_client import Client

models = typer.Typer(help="Look at models, save a trained adapter.", no_args_is_help=True)


@models.command("list")
def list_models(json: JsonOption = False) -> None:
    """Base models that may be used, then adapters, newest first."""
    with Client() as client:
        found = list(client.models.list())
    if json:
        print_json([model.model_dump(mode="json") for model in found])
        return
    table = Table(Column("id", no_wrap=True), "base", "training", "MB")
    for model in found:
        size = sum(file.size for file in model.files.values()) / 1e6
        table.add_row(
            model.id, model.base_model or "", model.training_id or "", f"{size:.1f}" if size else ""
        )
    out.print(table)


@models.command()
def save(
    model_id: Annotated[str, typer.Argument(help="Id of an adapter, mdl_...")],
    folder: Annotated[Path, typer.Option("--to", help="Folder that its files go into.")],
    json: JsonOption = False,
) -> None:
    """Save an adapter as PEFT reads it; `hf upload OWNER/NAME FOLDER` publishes the folder."""
    with Client() as client:
        client.models.save(model_id, folder)
    if json:
        print_json({"path": str(folder.resolve())})
    else:
        out.print(f"wrote {folder}", markup=False)
