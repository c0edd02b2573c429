"""Run the tests of this folder: `python -m tests_integrations [PART ...] [--envs FOLDER]`.

Makes an environment for each part (from the package index, once), starts the product in a temporary
directory, and runs the part's tests there. Exit code 1 when one fails.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from tests_integrations.serving import service

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "pipelines": [
        "prefect>=3",
        "dagster>=1.13",
        "mlflow-skinny>=3",
        "ray[data]>=2.50",
        "distilabel>=1.5",
    ],
    "airflow": ["apache-airflow>=3"],
    "records": ["wandb>=0.20", "huggingface_hub>=1.0", "argilla>=2.8"],
    "datajuicer": ["py-data-juicer>=1.4", "aiohttp"],  # which it imports and does not declare
    "typing": ["mypy", "pyright"],
    "notebook": ["nbclient", "ipykernel", "ipywidgets", "tqdm"],
    "empty": [],
    "tasks": ["lm-eval>=0.4.13"],
    "generated": ["openapi-python-client>=0.24", "ruff"],
    "typescript": ["openapi-generator-cli>=7.20"],
}
KEPT_AWAY = ("PYTHONPATH", "HF_HUB_OFFLINE")  # this checkout; and the hub that is asked is on loopback
WHOLE = ("tasks",)  # parts that need the product itself: their environment sees this one's packages


def main() -> int:
    """Run the parts that were asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PACKAGES))
    parser.add_argument("--envs", type=Path, default=ROOT / ".venv" / "integrations")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="evoselect-integrations-") as folder,
        service(Path(folder)) as given,
    ):
        parts = options.parts or PACKAGES
        codes = [run(part, environment(part, options.envs), given, Path(folder)) for part in parts]
    return int(any(codes))


def environment(part: str, folder: Path) -> Path:
    """An interpreter with the part's packages and this checkout's client."""
    home = folder / part
    if not home.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
    install = [str(home / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    if part in WHOLE:
        [site] = home.glob("lib/python*/site-packages")
        clients = ROOT / "clients"
        paths = (ROOT, clients / "python", clients / "cli", Path(sysconfig.get_path("purelib")))
        (site / "product.pth").write_text("".join(f"{path}\n" for path in paths))
        subprocess.run([*install, "-c", str(ROOT / "constraints.txt"), *PACKAGES[part]], check=True)
        return home / "bin" / "python"
    subprocess.run([*install, "pytest", *PACKAGES[part]], check=True)
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "client"  # a copy: building leaves files beside the sources
        shutil.copytree(ROOT / "clients" / "python", source)
        subprocess.run([*install, str(source)], check=True)
        subprocess.run([*install, "--force-reinstall", "--no-deps", str(source)], check=True)
    return home / "bin" / "python"


def run(part: str, python: Path, variables: dict[str, str], folder: Path) -> int:
    """The exit code of pytest."""
    print(f"== {part}", flush=True)
    test = ROOT / "tests_integrations" / f"test_{part}.py"
    alone = [
        "-c",
        "/dev/null",
        "--rootdir",
        str(test.parent),
        "-p",
        "no:cacheprovider",
    ]  # not this checkout's
    command = [str(python), "-m", "pytest", "-q", *alone, "--durations=0"]
    clean = {name: value for name, value in os.environ.items() if name not in KEPT_AWAY}
    homes = {"PREFECT_HOME": f"{folder}/prefect", "AIRFLOW_HOME": f"{folder}/airflow"}
    done = subprocess.run([*command, str(test)], env={**clean, **variables, **homes}, cwd=folder, check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
