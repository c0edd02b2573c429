"""Look after jobs and a deployment: evoselect jobs list|show|cancel|retry, evoselect doctor."""

from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from evoselect_cli import exits
from evoselect_cli.options import JobArgument, JsonOption
from evoselect_cli.output import err, out, print_json, print_pairs
from evoselect_client import Client
from evoselect_client.models import Job

jobs = typer.Typer(help="Look at jobs, cancel them, start them again.", no_args_is_help=True)
ID_WIDTH = 31  # characters of the longest id: an id that is cut is none
NOUNS = {
    "sel": "selections",
    "trn": "trainings",
    "evl": "evaluations",
    "loop": "loops",
    "cmp": "comparisons",
    "idx": "indexings",
}


@jobs.command("list")
def list_jobs(
    status: Annotated[str | None, typer.Option(help="Only those with this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many of each kind.")] = 20,
    json: JsonOption = False,
) -> None:
    """The newest selections, trainings, evaluations, loops, comparisons and indexings."""
    with Client() as client:
        found: list[Job[Any]] = []
        for noun in NOUNS.values():
            kept = (job for job in getattr(client, noun).list() if status in (None, job.status))
            found += islice(kept, limit)
    found.sort(key=lambda job: job.created_at, reverse=True)
    if json:
        print_json([job.model_dump(mode="json") for job in found])
        return
    table = Table(
        Column("id", no_wrap=True, min_width=ID_WIDTH), "status", "phase", "done", "created", "name"
    )
    for job in found:
        done = f"{job.progress.rows_done}/{job.progress.rows_total}"
        created = job.created_at.isoformat(timespec="seconds")
        table.add_row(job.id, job.status, job.phase or "", done, created, job.name or "")
    out.print(table)


@jobs.command()
def show(job_id: JobArgument, json: JsonOption = False) -> None:
    """Where a job stands, and why it failed."""
    with Client() as client:
        print_job(noun_of(client, job_id).retrieve(job_id), json)


@jobs.command()
def cancel(job_id: JobArgument, json: JsonOption = False) -> None:
    """Ask a job to stop."""
    with Client() as client:
        print_job(noun_of(client, job_id).cancel(job_id), json)


@jobs.command()
def retry(job_id: JobArgument, json: JsonOption = False) -> None:
    """Start the request of a job that failed, expired or was cancelled again, as a new job."""
    with Client() as client:
        print_job(noun_of(client, job_id).retry(job_id), json)


def doctor(
    home: Annotated[Path | None, typer.Option(help="Examine the embedded mode of this directory.")] = None,
    json: JsonOption = False,
) -> None:
    """Examine servers, disk, clocks and rows of a deployment; exit code 1 when something is wrong.

    The deployment is the one of EVOSELECT_* variables, or the embedded mode that runs here.
    """
    from embedded.doctor import examine

    findings = examine(_deployment(home))
    if json:
        print_json([{name: getattr(finding, name) for name in finding.__slots__} for finding in findings])
    else:
        table = Table("check", "", "found", "next step")
        for finding in findings:
            mark = "[green]ok[/green]" if finding.ok else "[red]wrong[/red]"
            table.add_row(finding.check, mark, finding.detail.replace("[", r"\["), finding.next_step)
        out.print(table)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(exits.FAILED)


def _deployment(home: Path | None) -> Any:
    """Settings of the environment, completed by the embedded mode that runs in the directory."""
    from embedded.home import Home
    from store.settings import MissingSetting, Settings

    settings = Settings() if home is None else Settings(home=home)
    try:
        return Home(settings.home).completed(settings).ready(keys=False)
    except MissingSetting as error:
        err.print(f"[red]error[/red] {error}")
        raise typer.Exit(exits.NO_SERVICE) from error


def noun_of(client: Client, job_id: str) -> Any:
    """The noun of the client that a job's id belongs to; a usage error when there is none."""
    noun = NOUNS.get(job_id.split("_")[0])
    if noun is None:
        known = ", ".join(f"{prefix}_..." for prefix in NOUNS)
        raise typer.BadParameter(f"{job_id!r} is no id of a job: those begin with {known}")
    return getattr(client, noun)


def print_job(job: Job[Any], json: bool) -> None:
    """Where a job stands, and why it failed."""
    if json:
        print_json(job.model_dump(mode="json"))
        return
    pairs: dict[str, Any] = {"status": job.status, "phase": job.phase, "created": job.created_at.isoformat()}
    pairs |= {name: f"{phase.done}/{phase.total}" for name, phase in job.progress.phases.items()}
    if job.error:
        pairs |= {"error": job.error.code, "detail": job.error.detail}
    print_pairs(f"{job.object} {job.id}", pairs)
