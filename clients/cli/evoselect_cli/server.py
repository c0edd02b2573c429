"""Run the product here: evoselect up, down, status; or workers of one that runs elsewhere: worker."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import httpx
import psutil
import typer

from evoselect_cli import exits
from evoselect_cli.options import HomeOption, JsonOption
from evoselect_cli.output import err, out, print_json, print_pairs
from evoselect_client.core.config import Endpoint, read_credentials
from evoselect_client.core.transport import surroundings

SIGNALLED = 128  # plus the number of the signal
DOWN_SECONDS = 60.0  # a worker finishes its micro-batch, PostgreSQL its checkpoint


def up(
    home: HomeOption = None,
    port: Annotated[int, typer.Option(help="Port of the API on 127.0.0.1; 0 takes a free one.")] = 8080,
    json: JsonOption = False,
) -> None:
    """Start PostgreSQL, Valkey, the API and the workers here; Ctrl-C or `evoselect down` stops all."""
    from embedded.children import GaveUp
    from embedded.home import HomeInUse, UnsafeHome
    from embedded.preparation import StartFailed
    from embedded.servers import ServerNotReady
    from embedded.sockets import PortInUse
    from embedded.supervisor import Supervisor

    supervisor = Supervisor(_settings(home), port=port, say=lambda line: err.print(line, markup=False))
    _stop_on_signals(supervisor)
    try:
        supervisor.start()
    except HomeInUse as error:
        raise _refuse(str(error), exits.HELD) from error
    except (StartFailed, ServerNotReady, PortInUse, UnsafeHome, OSError) as error:
        raise _refuse(str(error), exits.NOT_STARTED) from error
    try:
        _announce(supervisor, json)
        supervisor.run()
    except GaveUp as error:
        raise _refuse(str(error), exits.FAILED) from error
    finally:
        supervisor.stop()
        err.print("all processes have ended")


def worker(
    queue: Annotated[
        list[str], typer.Option("--queue", help="features, select, train, generate or ops; may be repeated.")
    ],
    per_gpu: Annotated[
        bool, typer.Option("--per-gpu", help="One process for each GPU that is visible here.")
    ] = False,
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Or so many, which share the cores; 1 by default."),
    ] = None,
) -> None:
    """Start workers for the servers that EVOSELECT_* name; Ctrl-C or SIGTERM gives their work back."""
    from embedded import workers
    from embedded.children import GaveUp
    from store.settings import MissingSetting, Settings

    queues = list(dict.fromkeys(queue))
    _require_usage(queues, workers.QUEUES, both=per_gpu and processes is not None)
    try:
        settings = Settings().ready(keys=workers.OPS in queues)
        workers.require_installed()
        gpus = workers.devices() if per_gpu else []
    except (MissingSetting, workers.NoWorkers) as error:
        raise _refuse(str(error), exits.NOT_STARTED) from error
    crew = workers.Crew(settings, say=lambda line: err.print(line, markup=False, soft_wrap=True))
    _stop_on_signals(crew)
    try:
        crew.run(workers.crew(queues, gpus, several=processes or 1))
    except GaveUp as error:
        raise _refuse(str(error), error.code if error.code > 0 else SIGNALLED - error.code) from error
    finally:
        crew.stop()


def _require_usage(queues: list[str], known: Sequence[str], *, both: bool) -> None:
    if unknown := [name for name in queues if name not in known]:
        reason = f"there is no queue {unknown[0]!r}: take {', '.join(known[:-1])} or {known[-1]}"
        raise _refuse(reason, exits.USAGE)
    if both:
        reason = "--per-gpu starts one process for each GPU: leave out --processes, or --per-gpu"
        raise _refuse(reason, exits.USAGE)


def down(home: HomeOption = None, json: JsonOption = False) -> None:
    """Stop the embedded mode of a data directory and wait until all of it has ended."""
    from embedded.home import Home

    place = Home(_settings(home).home)
    pid = place.holder()
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + DOWN_SECONDS
        while place.holder() == pid:
            if time.monotonic() > deadline:
                raise _refuse(f"process {pid} has not ended after {DOWN_SECONDS:.0f} s", exits.FAILED)
            time.sleep(0.1)
    if json:
        print_json({"home": str(place.path), "stopped_pid": pid})
    else:
        out.print(f"stopped process {pid}" if pid else f"nothing runs in {place.path}", markup=False)


def status(home: HomeOption = None, json: JsonOption = False) -> None:
    """Say what runs here and whether the service answers; exit code 3 when it does not."""
    from embedded.home import Home

    place = Home(_settings(home).home)
    pid = place.holder()
    report: dict[str, Any] = {"home": str(place.path), "pid": pid, "processes": _children(pid)}
    saved = read_credentials(place.credentials)
    elsewhere = os.environ.get("EVOSELECT_URL") if home is None else None
    report |= _service(elsewhere, saved, None if elsewhere else place.instance())
    if json:
        print_json(report)
    else:
        print_pairs("EvoSelect", report)
    if not report["ready"]:
        raise typer.Exit(exits.NO_SERVICE)


def _settings(home: Path | None) -> Any:
    from store.settings import Settings

    return Settings() if home is None else Settings(home=home)


def _stop_on_signals(supervisor: Any) -> None:
    def stop(number: int, frame: object) -> None:
        if supervisor.stopping:
            return
        supervisor.stopping = True
        err.print("stopping")

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _announce(supervisor: Any, json: bool) -> None:
    secrets = supervisor.home.secrets()
    if json:
        print_json({"url": supervisor.url, "api_key": secrets.api_key, "home": str(supervisor.home.path)})
        out.file.flush()
    else:
        shown = f"URL      {supervisor.url}\nAPI key  {secrets.api_key}\nPages    {supervisor.url}/ui"
        out.print(shown, markup=False)
        err.print(f"The client and this command read both from {supervisor.home.credentials}.", markup=False)


def _children(pid: int | None) -> int:
    """How many processes the supervisor has started; 0 when there is none."""
    try:
        return 0 if pid is None else len(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return 0


def _service(url: str | None, saved: Endpoint | None, instance: str | None) -> dict[str, Any]:
    """Address, release and readiness of the service at `url`, or else of the instance that runs here."""
    from store.settings import INSTANCE_HEADER

    url = url or (saved.base_url if saved else None)
    if url is None:
        return {"url": None, "ready": False, "version": None}
    try:
        around = surroundings(url)
        answer = httpx.get(f"{url}/readyz", timeout=5, **around)
        ours = instance is None or answer.headers.get(INSTANCE_HEADER) == instance
        ready = ours and answer.status_code == httpx.codes.OK
        version = httpx.get(f"{url}/version", timeout=5, **around).json()["version"]
    except (httpx.HTTPError, httpx.InvalidURL, ImportError, OSError, TypeError, ValueError, KeyError):
        return {"url": url, "ready": False, "version": None}
    return {"url": url, "ready": ready, "version": version}


def _refuse(reason: str, code: int) -> typer.Exit:
    err.print("[red]error[/red]", end=" ")
    err.print(reason, markup=False, soft_wrap=True)
    return typer.Exit(code)
