"""An environment that holds the client's wheel and the closure of its declared dependencies, and no more.

The dependencies are linked from this environment, so that the suite needs no package index;
`make test-integrations` installs all of it from one.
"""

import re
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

CLIENT = Path(__file__).parents[2] / "clients" / "python"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def empty_environment(folder: Path) -> str:
    """Make it; returns its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    wheels = folder / "wheels"
    source = folder / "source"  # a copy: setuptools would take what an earlier build left beside the files
    shutil.copytree(CLIENT, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(source)]
    subprocess.run([*PIP, *build], check=True)
    (wheel,) = wheels.glob("evoselect_client-*.whl")
    (site,) = folder.glob("lib/python3*/site-packages")
    subprocess.run([*PIP, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    metadata = next(site.glob("evoselect_client-*.dist-info")) / "METADATA"
    declared = re.findall(r"^Requires-Dist: (.+)$", metadata.read_text(), re.MULTILINE)
    for name in _closure(_wanted(declared)):
        _link(name, site)
    return str(folder / "bin" / "python")


def _wanted(requirements: list[str]) -> set[str]:
    """Names without those of extras; markers for other platforms are taken where they are installed."""
    plain = [line for line in requirements if "extra ==" not in line and "extra==" not in line]
    return {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in plain}


def _closure(names: set[str]) -> set[str]:
    found: set[str] = set()
    while names - found:
        name = (names - found).pop()
        found.add(name)
        names |= {each for each in _wanted(distribution(name).requires or []) if _is_installed(each)}
    return found


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except ModuleNotFoundError:
        return False
    return True


def _link(name: str, site: Path) -> None:
    """Link a distribution's top-level files and folders."""
    one = distribution(name)
    tops = {path.parts[0] for path in one.files or [] if path.parts[0] not in ("..", "__pycache__")}
    for top in tops:
        source = Path(str(one.locate_file(top)))
        if source.exists() and not (site / top).exists():
            (site / top).symlink_to(source)
