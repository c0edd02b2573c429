"""What commands take and how they end: an id or a file, settings as JSON, a job that is waited for."""

import json as json_module
import re
from collections import Counter
from pathlib import Path
from typing import Any, TypeVar

import typer

from evoselect_cli.output import err, print_json, print_pairs, upload_bar, wait
from evoselect_client import Client
from evoselect_client.data.sources import is_url
from evoselect_client.integrations.selecting import pool_of
from evoselect_client.models import Job, Recognised

JobT = TypeVar("JobT", bound=Job)
ID = r"[a-z]+_[0-9a-z]{26}"


def target_id_of(client: Client, value: str, reading: dict[str, Any]) -> str:
    """The id itself, or that of a target made of the file; one that was made of it before is found again.

    ``reading`` is what `reading_of` gives.
    """
    if is_id(value):
        return value
    made = client.targets.create(value, name=Path(value).name, **reading)
    if made.found:
        err.print(f"{Path(value).name}: is target {made.id} already", markup=False)
    _print_recognised(Path(value).name, made.recognised)
    return made.id


def pool_id_of(client: Client, value: str, reading: dict[str, Any]) -> str:
    """The id itself, or that of a pool made of the file; none is left behind of a file that is refused."""
    if is_id(value):
        return value
    with upload_bar("candidates sent") as progress:
        pool, sent = pool_of(client, value, name=Path(value).name, progress=progress, **reading)
    _print_recognised(Path(value).name, sent.recognised)
    return pool.id


def reading_of(format: str | None, columns: list[str] | None, template: str | None) -> dict[str, Any]:
    """How rows are to be read, as the client takes it; a usage error where two of these contradict."""
    named = _columns_of(columns)
    if template is not None and (twice := sorted({"prompt", "messages"} & {*(named or ())})):
        raise typer.BadParameter(f"--template makes the prompt, and --columns names one for {twice[0]}")
    return {"format": format, "columns": named, "template": _template_of(template)}


def _template_of(value: str | None) -> str | None:
    text = _text_of_file("--template", value) if value and _is_file(value) else value
    if text is not None and not text.strip():
        raise typer.BadParameter("--template is empty")
    return text


def pinned_of(value: str | None, k: int | None) -> list[str] | None:
    """Ids with commas between them, or the lines of a file; a usage error where one is named twice."""
    if value is None:
        return None
    names = _text_of_file("--pinned", value).splitlines() if _is_file(value) else value.split(",")
    pinned = [name.strip() for name in names if name.strip()]
    if not pinned:
        raise typer.BadParameter(f"--pinned {value!r} names no id")
    (name, times), *_ = Counter(pinned).most_common(1)
    if times > 1:
        raise typer.BadParameter(f"--pinned names {name!r:.80} {times} times")
    if k is not None and len(pinned) > k:
        raise typer.BadParameter(f"--pinned names {len(pinned)} candidates and -k is {k}")
    return pinned


def _is_file(value: str) -> bool:
    try:
        return Path(value).is_file()
    except OSError:  # longer than a name may be
        return False


def _text_of_file(option: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{option} {path}: {error}") from None


def _columns_of(pairs: list[str] | None) -> dict[str, str] | None:
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


def _print_recognised(name: str, found: Recognised) -> None:
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
