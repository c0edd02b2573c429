"""What commands take and how they end: an id or a file, settings as JSON, a job that is waited for."""

import json as json_module
import re
from pathlib import Path
from typing import Any, TypeVar

import typer

from evoselect_cli.output import err, print_json, print_pairs, upload_bar, wait
from evoselect_client import Client
from evoselect_client.data.sources import is_url
from evoselect_client.models import Job, Recognised

JobT = TypeVar("JobT", bound=Job)
ID = r"[a-z]+_[0-9a-z]{26}"


def target_id_of(
    client: Client, value: str, format: str | None = None, columns: dict[str, str] | None = None
) -> str:
    """The id itself, or that of a target made of the file; one that was made of it before is found again."""
    if is_id(value):
        return value
    made = client.targets.create(value, name=Path(value).name, format=format, columns=columns)
    if made.found:
        err.print(f"{Path(value).name}: is target {made.id} already", markup=False)
    _tell(Path(value).name, made.recognised)
    return made.id


def pool_id_of(
    client: Client, value: str, format: str | None = None, columns: dict[str, str] | None = None
) -> str:
    """The id itself, or that of a pool made of the file."""
    if is_id(value):
        return value
    pool = client.pools.create(name=Path(value).name)
    with upload_bar("candidates sent") as progress:
        sent = pool.add(value, progress=progress, format=format, columns=columns)
    _tell(Path(value).name, sent.recognised)
    return pool.id


def columns_of(pairs: list[str] | None) -> dict[str, str] | None:
    """Field to column, of texts such as prompt=instruction; a usage error for any other text."""
    if not pairs:
        return None
    for pair in pairs:
        if not all(pair.partition("=")):
            raise typer.BadParameter(f"--columns {pair!r} is not of the form field=column")
    named = {field: column for field, _, column in (pair.partition("=") for pair in pairs)}
    if len(named) < len(pairs):
        raise typer.BadParameter("--columns names two columns for one field")
    return named


def _tell(name: str, found: Recognised) -> None:
    """What the rows were, where they were no records already."""
    if found.example is None and not found.extra:
        return
    shapes = ", ".join(f"{count} {shape}" for shape, count in found.shapes.items())
    kept = f"; kept beside: {', '.join(found.extra)}" if found.extra else ""
    err.print(f"{name}: {shapes}{kept}", markup=False)


def is_id(value: str) -> bool:
    """Whether this names a resource; a usage error when it is neither an id nor a file or the URL of one."""
    if is_url(value) or Path(value).is_file():
        return False
    if not re.fullmatch(ID, value):
        raise typer.BadParameter(f"{value!r} is neither a file nor an id")
    return True


def settings_of(text: str | None) -> dict[str, Any] | None:
    """The object that the text is as JSON; a usage error for any other text."""
    if text is None:
        return None
    try:
        value = json_module.loads(text)
    except (RecursionError, ValueError) as error:
        raise typer.BadParameter(f"--spec is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise typer.BadParameter("--spec must be a JSON object")
    return value


def finish(job: JobT, wait_for_it: bool, json: bool) -> JobT:
    """Wait if wanted, then print where the job stands."""
    if wait_for_it:
        job = wait(job)
    if json:
        print_json(job.model_dump(mode="json"))
    else:
        print_pairs(f"{job.object} {job.id} {job.status}", job.result or {})
    return job
