"""Use a service: evoselect select, train, evaluate, items."""

import json as json_module
import re
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.table import Table

from evoselect_cli.connecting import service
from evoselect_cli.output import err, out, print_json, print_pairs, upload_bar, wait
from evoselect_client import Client
from evoselect_client.models import Item, Job, Selection

JobT = TypeVar("JobT", bound=Job)

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait, with progress on stderr.")]
SpecOption = Annotated[str | None, typer.Option(help="Settings as a JSON object; see docs/api.md.")]
SeedOption = Annotated[int | None, typer.Option(min=0)]
ID = r"[a-z]+_[0-9a-z]{26}"
SHOWN_ITEMS = 10
SHOWN_CHARS = 60


def select(
    target: Annotated[str, typer.Option(help="JSON Lines file of target examples, or a target's id.")],
    pool: Annotated[str, typer.Option(help="JSON Lines file of candidates, or a pool's id.")],
    k: Annotated[int | None, typer.Option("-k", "--k", help="How many candidates to select.")] = None,
    ratio: Annotated[float | None, typer.Option(help="Or the share of the pool to select.")] = None,
    method: Annotated[str | None, typer.Option(help="capacity (default), random, mean_cosine, ...")] = None,
    model: Annotated[str | None, typer.Option(help="Proxy model; default is the service's.")] = None,
    spec: SpecOption = None,
    seed: SeedOption = None,
    out_file: Annotated[Path | None, typer.Option("--out", help="Write the selected records here.")] = None,
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
    settings = _spec(spec)
    for value in (target, pool):
        _is_id(value)  # a typing error is told before anything is uploaded
    with service() if wait_for_it else Client() as client:
        job = client.selections.create(
            target_id=_target_id(client, target),
            pool_id=_pool_id(client, pool),
            k=k,
            ratio=ratio,
            method=method,
            model=model,
            spec=settings,
            seed=seed,
        )
        job = _finish(job, wait_for_it, json)
        if out_file is not None:
            _write(job, out_file)


def train(
    selection_id: Annotated[str, typer.Argument(help="A completed selection.")],
    base_model: Annotated[str | None, typer.Option(help="Default is the service's.")] = None,
    spec: SpecOption = None,
    seed: SeedOption = None,
    wait_for_it: WaitOption = True,
    json: JsonOption = False,
) -> None:
    """Train a LoRA adapter on a selection."""
    with Client() as client:
        job = client.trainings.create(
            selection_id=selection_id, base_model=base_model, spec=_spec(spec), seed=seed
        )
        _finish(job, wait_for_it, json)


def evaluate(
    model: Annotated[str, typer.Argument(help="A base model's alias, or a trained model's id.")],
    data: Annotated[
        str | None, typer.Option(help="JSON Lines file of held-out examples, or a target's id.")
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Instead: a task of lm-eval's, such as arc_challenge; repeatable."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Questions of each task, from its beginning.")] = None,
    spec: SpecOption = None,
    wait_for_it: WaitOption = True,
    json: JsonOption = False,
) -> None:
    """Measure a model on held-out examples, or on named tasks."""
    if (data is None) == (task is None):
        raise typer.BadParameter("give either --data or --task")
    with Client() as client:
        target_id = None if data is None else _target_id(client, data)
        job = client.evaluations.create(
            model=model, target_id=target_id, tasks=task, limit=limit, spec=_spec(spec)
        )
        _finish(job, wait_for_it, json)


def items(
    selection_id: Annotated[str, typer.Argument(help="A completed selection.")],
    out_file: Annotated[Path | None, typer.Option("--out", help="Write the selected records here.")] = None,
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


def _target_id(client: Client, value: str) -> str:
    if _is_id(value):
        return value
    return client.targets.create(Path(value), name=Path(value).name).id


def _pool_id(client: Client, value: str) -> str:
    if _is_id(value):
        return value
    pool = client.pools.create(name=Path(value).name)
    with upload_bar("candidates sent") as progress:
        pool.add(Path(value), progress=progress)
    return pool.id


def _is_id(value: str) -> bool:
    """Whether this names a resource; a usage error when it is neither an id nor a file."""
    if Path(value).is_file():
        return False
    if not re.fullmatch(ID, value):
        raise typer.BadParameter(f"{value!r} is neither a file nor an id")
    return True


def _spec(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = json_module.loads(text)
    except (RecursionError, ValueError) as error:
        raise typer.BadParameter(f"--spec is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise typer.BadParameter("--spec must be a JSON object")
    return value


def _finish(job: JobT, wait_for_it: bool, json: bool) -> JobT:
    """Wait if wanted, then print where the job stands."""
    if wait_for_it:
        job = wait(job)
    if json:
        print_json(job.model_dump(mode="json"))
    else:
        print_pairs(f"{job.object} {job.id} {job.status}", job.result or {})
    return job


def _write(selection: Selection, path: Path) -> None:
    """The selected records as JSON Lines, in rank order; the file appears only when it is complete."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("w", encoding="utf-8") as file:
        for item in selection.items():
            file.write(json_module.dumps(item.record, ensure_ascii=False) + "\n")
    temporary.replace(path)
    err.print(f"wrote {path}", markup=False)


def _show(selection: Selection) -> None:
    table = Table("rank", "id", "weight", "record", title=selection.id, title_justify="left")
    shown: list[Item] = []
    for item in selection.items(page_size=SHOWN_ITEMS):
        if len(shown) == SHOWN_ITEMS:
            break
        shown.append(item)
        table.add_row(str(item.rank), item.id, f"{item.weight:.4g}", _excerpt(item.record))
    out.print(table)
    out.print("The first items; --json or --out give all.")


def _excerpt(record: dict[str, Any]) -> str:
    text = record.get("prompt") or str(record.get("messages", ""))
    flat = " ".join(text.split())
    return flat if len(flat) <= SHOWN_CHARS else flat[: SHOWN_CHARS - 3] + "..."
