"""The `evoselect` command: serve (up, worker), use (select, train), look (watch, report), operate (jobs)."""

import importlib.metadata
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from evoselect_cli import (
    compare_methods,
    exits,
    jobs,
    keys,
    loops,
    models,
    results,
    select,
    server,
    train,
)
from evoselect_cli.output import err, out
from evoselect_client import (
    ApiError,
    BadInputError,
    ConfigurationError,
    ConnectionFailedError,
    EvoSelectError,
    ServerError,
)


class Guarded(TyperGroup):
    """Turns the client's errors into a sentence on stderr and the documented exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except EvoSelectError as error:
            err.print(f"[red]error[/red] {_escape(str(error))}")
            raise typer.Exit(_code(error)) from error
        except BrokenPipeError:  # who reads our output has enough: click ends quietly
            raise
        except OSError as error:
            err.print(f"[red]error[/red] {_escape(str(error))}")
            raise typer.Exit(exits.FAILED) from error
        except KeyboardInterrupt:
            err.print("Interrupted.")
            raise typer.Exit(exits.INTERRUPTED) from None


def _code(error: EvoSelectError) -> int:
    if isinstance(error, (ConfigurationError, ConnectionFailedError)):
        return exits.NO_SERVICE
    if isinstance(error, BadInputError):
        return exits.REFUSED
    if isinstance(error, ApiError) and not isinstance(error, ServerError):
        return exits.REFUSED
    return exits.FAILED


def _escape(text: str) -> str:
    """Brackets of a message are not rich markup."""
    return text.replace("[", r"\[")


app = typer.Typer(
    cls=Guarded,
    epilog=exits.HELP,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        out.print(f"evoselect {importlib.metadata.version('evoselect')}")
        raise typer.Exit


@app.callback()
def evoselect(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it and end.")
    ] = False,
) -> None:
    """Select the candidate examples that are worth training on."""


COMMANDS: tuple[Callable[..., None], ...] = (
    server.up,
    server.down,
    server.status,
    server.worker,
    select.select,
    train.train,
    train.evaluate,
    select.items,
    results.watch,
    results.report,
    results.compare,
    compare_methods.compare_methods,
    results.explain,
    jobs.doctor,
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(jobs.jobs, name="jobs")
app.add_typer(loops.loop, name="loop")
app.add_typer(models.models, name="models")
app.add_typer(results.pools, name="pools")
app.add_typer(keys.keys, name="keys")
