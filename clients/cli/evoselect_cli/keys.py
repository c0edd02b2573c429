"""API keys of the tenant: evoselect keys list | create | rotate | revoke."""

from typing import Annotated

import typer
from rich.table import Column, Table

from evoselect_cli.options import JsonOption
from evoselect_cli.output import out, print_json, print_pairs
from evoselect_client import Client
from evoselect_client.models import ApiKey

keys = typer.Typer(
    help="Make, rotate and revoke API keys; needs a key with scope admin.", no_args_is_help=True
)
KeyArgument = Annotated[str, typer.Argument(help="Id of a key, key_...")]


@keys.command("list")
def list_keys(json: JsonOption = False) -> None:
    """All keys, without their secrets."""
    with Client() as client:
        found = list(client.api_keys.list())
    if json:
        print_json([key.model_dump(mode="json") for key in found])
        return
    table = Table(Column("id", no_wrap=True), "name", "scopes", "hint", "expires", "revoked")
    for key in found:
        times = (at.isoformat(timespec="seconds") if at else "" for at in (key.expires_at, key.revoked_at))
        table.add_row(key.id, key.name, " ".join(key.scopes), key.hint, *times)
    out.print(table)


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[list[str], typer.Option(help="select:read, select:write, train or admin; repeatable.")],
    json: JsonOption = False,
) -> None:
    """Make a key; its secret is printed once."""
    with Client() as client:
        _print(client.api_keys.create(name, scope), json)


@keys.command()
def rotate(
    key_id: KeyArgument,
    overlap: Annotated[int | None, typer.Option(min=0, help="Seconds that the old key works on.")] = None,
    json: JsonOption = False,
) -> None:
    """Make a key like an old one, which works on for a while."""
    with Client() as client:
        _print(client.api_keys.rotate(key_id, overlap_seconds=overlap), json)


@keys.command()
def revoke(key_id: KeyArgument, json: JsonOption = False) -> None:
    """End a key now."""
    with Client() as client:
        _print(client.api_keys.revoke(key_id), json)


def _print(key: ApiKey, json: bool) -> None:
    if json:
        print_json(key.model_dump(mode="json"))
        return
    pairs = {"name": key.name, "scopes": " ".join(key.scopes), "hint": key.hint}
    print_pairs(key.id, pairs | ({"secret": key.secret} if key.secret else {}))
