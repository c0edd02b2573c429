"""Run loops and look at them: evoselect loop run|show|pause|resume|cancel."""

import json as json_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from evoselect_cli.options import JsonOption
from evoselect_cli.output import out, print_json, print_pairs, wait
from evoselect_client import Client
from evoselect_client.models import Loop

loop = typer.Typer(help="Rounds of generate, select, train, evaluate.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(help="Id of a loop.")]


@loop.command()
def run(
    settings: Annotated[Path, typer.Argument(help="JSON file with the body of POST /v1/loops.")],
    wait_for_it: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait, progress on stderr.")] = True,
    json: JsonOption = False,
) -> None:
    """Start a loop."""
    body = _body(settings)
    with Client() as client:
        started = client.loops.create(**body)
        _print(wait(started) if wait_for_it else started, json)


@loop.command()
def show(loop_id: IdArgument, json: JsonOption = False) -> None:
    """Where a loop stands, round by round."""
    with Client() as client:
        _print(client.loops.retrieve(loop_id), json)


@loop.command()
def pause(loop_id: IdArgument, json: JsonOption = False) -> None:
    """Begin nothing further; steps that run go on to their end."""
    with Client() as client:
        _print(client.loops.pause(loop_id), json)


@loop.command()
def resume(loop_id: IdArgument, json: JsonOption = False) -> None:
    """Go on after a pause."""
    with Client() as client:
        _print(client.loops.resume(loop_id), json)


@loop.command()
def cancel(loop_id: IdArgument, json: JsonOption = False) -> None:
    """Stop a loop and its steps."""
    with Client() as client:
        _print(client.loops.cancel(loop_id), json)


def _body(path: Path) -> dict[str, Any]:
    try:
        value = json_module.loads(path.read_text(encoding="utf-8"))
    except (OSError, RecursionError, ValueError) as error:
        raise typer.BadParameter(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(value, dict) or not {"target_id", "generator"} <= value.keys():
        raise typer.BadParameter(f"{path} must hold an object with target_id and generator")
    return value


def _print(found: Loop, json: bool) -> None:
    rounds = list(found.rounds())
    if json:
        shown = found.model_dump(mode="json")
        print_json(shown | {"rounds": [row.model_dump(mode="json") for row in rounds]})
        return
    print_pairs(f"{found.object} {found.id} {found.status}", dict(found.result or {}))
    if found.error:
        print_pairs("error", {"code": found.error.code, "detail": found.error.detail})
    table = Table("round", "state", "arm", "model", "accuracy", "choice cross-entropy", "answer NLL")
    for row in rounds:
        for name, arm in row.arms.items():
            measured = (arm.evaluation.get(key) for key in ("accuracy", "choice_cross_entropy", "answer_nll"))
            numbers = ["-" if value is None else f"{value:.4f}" for value in measured]
            table.add_row(str(row.number), row.state, name, arm.model_id or "-", *numbers)
    out.print(table)
    for row in rounds:
        for warning in row.warnings:
            out.print(f"round {row.number}: {warning['code']}: {warning['detail']}", markup=False)
