"""What must hold of imports beside the import-linter's contracts."""

import subprocess
import sys
from pathlib import Path

import service

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "faiss", "transformers", "ot", "sklearn")


def loaded_after(statement: str, names: tuple[str, ...] = HEAVY) -> set[str]:
    code = f"import sys; {statement}; print(*[name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_the_service_never_loads_the_numerical_packages() -> None:
    assert loaded_after("import service.app") == set()
    assert loaded_after("import evoselect.select") >= {"torch"}  # the check itself can fail


def test_the_command_line_starts_light() -> None:
    assert loaded_after("import evoselect_cli.main, embedded.supervisor") == set()


def test_traces_load_nothing_until_they_are_on() -> None:
    statement = "import service.app, workers.process.workplace; from store.telemetry import traces; traces.{}"
    package = ("opentelemetry.sdk.trace",)  # redis loads the rest by itself where it is installed
    assert loaded_after(statement.format("current()"), package) == set()
    on = "start(traces.Settings(trace_url='http://127.0.0.1:1'), 'test')"
    assert loaded_after(statement.format(on), package) == set(package)


def test_the_package_called_service_is_ours() -> None:
    assert Path(service.__file__ or "").parent == ROOT / "service"


def test_packages_have_empty_init_files() -> None:
    for package in ("evoselect", "store", "embedded", "service", "workers"):
        for init in (ROOT / package).rglob("__init__.py"):
            assert init.read_text() == "", init
