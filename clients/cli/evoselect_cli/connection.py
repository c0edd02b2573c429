"""Which service a command talks to: the configured one, or one that runs as long as the command."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from evoselect_cli import exits
from evoselect_cli.output import err
from evoselect_client import Client
from evoselect_client.core.config import read_credentials


@contextmanager
def service() -> Iterator[Client]:
    """A client; without any configured service, embedded mode is started for the time of the block."""
    if is_configured():
        with Client() as client:
            yield client
        return
    with _embedded() as client:
        yield client


def is_configured() -> bool:
    """Whether an address is given or embedded mode runs here."""
    return bool(os.environ.get("EVOSELECT_URL")) or read_credentials() is not None


@contextmanager
def _embedded() -> Iterator[Client]:
    from embedded.home import HomeInUse
    from embedded.preparation import StartFailed
    from embedded.servers import ServerNotReady
    from embedded.supervisor import Supervisor
    from store.settings import Settings

    supervisor = Supervisor(Settings())
    err.print(
        f"No service is configured: starting one here, in {supervisor.home.path}. It stops with this "
        "command; `evoselect up` starts one that stays.",
        markup=False,
    )
    try:
        supervisor.start()
    except (HomeInUse, StartFailed, ServerNotReady) as error:
        err.print(f"[red]error[/red] {error}")
        raise typer.Exit(exits.HELD if isinstance(error, HomeInUse) else exits.NOT_STARTED) from error
    watch = threading.Thread(target=supervisor.run, daemon=True)
    watch.start()
    try:
        with Client(supervisor.url, supervisor.home.secrets().api_key) as client:
            yield client
    finally:
        supervisor.stopping = True
        watch.join()
        supervisor.stop()
