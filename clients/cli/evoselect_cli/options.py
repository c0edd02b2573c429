"""Options and arguments that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

from evoselect_client import BadInputError
from evoselect_client.data.saving import check_name

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait, with progress on stderr.")]
SpecOption = Annotated[str | None, typer.Option(help="Settings as a JSON object; see docs/api.md.")]
SeedOption = Annotated[int | None, typer.Option(min=0)]
NameOption = Annotated[str | None, typer.Option(help="A name of yours for the job.")]
HomeOption = Annotated[
    Path | None, typer.Option(help="Data directory; default $EVOSELECT_HOME or ~/.evoselect.")
]
JobArgument = Annotated[
    str, typer.Argument(help="Id of a selection, training, evaluation, loop or comparison.")
]
FormatOption = Annotated[
    str | None, typer.Option(help="Shape of the rows: alpaca, sharegpt, ...; recognised where left out.")
]
ColumnsOption = Annotated[
    list[str] | None,
    typer.Option("--columns", help="Which column holds a field, as prompt=instruction; may be repeated."),
]
TemplateOption = Annotated[
    str | None,
    typer.Option(help="Jinja that makes the prompt from a row's columns, or a file with it."),
]
TokensOption = Annotated[
    int | None, typer.Option(min=1, help="Or how many tokens of prompts and answers to select.")
]
RatioOption = Annotated[
    float | None, typer.Option(min=0.0, max=1.0, help="Or the share of the pool to select.")
]
FunnelOption = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        max=0.9,
        help="Compute features of this share of the pool alone, the nearest to the target by words.",
    ),
]
PinnedOption = Annotated[
    str | None,
    typer.Option(help="Candidates to select in any case: ids with commas, or a file with one a line."),
]


def in_a_folder(path: Path | None) -> Path | None:
    """The path, or a usage error where it cannot be written: told before anything is computed for it."""
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}: make it, or name another")
    if path is not None and path.is_dir():
        raise typer.BadParameter(f"{path} is a folder: name a file in it")
    return path


def for_rows(path: Path | None) -> Path | None:
    """The same for rows, which are written as lines or Parquet."""
    if path is not None:
        try:
            check_name(path)
        except BadInputError as error:
            raise typer.BadParameter(str(error)) from None
    return in_a_folder(path)


OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Write the selected rows here, as they came; a .parquet of a pool of Parquet.",
        callback=for_rows,
    ),
]
