"""Every `evoselect worker` in the examples of a fleet is one that the command takes; so are its settings."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from embedded.workers import QUEUES, SPARE_SECONDS
from evoselect_cli.main import app
from store.settings import Settings

ROOT = Path(__file__).parents[2]
SLURM = ROOT / "deploy" / "slurm" / "feature-workers.sbatch"
NODES: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "gpu-nodes.yaml").read_text())
KNOWN = {f"EVOSELECT_{name.upper()}" for name in Settings.model_fields}
OWN = {"EVOSELECT_SETTINGS"}  # of the script itself
STANDS_FOR = {"N": "2", "NAME": "features"}


def command_lines() -> list[tuple[str, list[str]]]:
    """(where it stands, arguments behind `worker`) of scripts, manifests, images and pages."""
    found: list[tuple[str, list[str]]] = []
    for path in [
        *ROOT.glob("deploy/**/*"),
        ROOT / "docker-compose.yml",
        ROOT / "Dockerfile",
        *ROOT.glob("docs/*.md"),
        ROOT / "README.md",
    ]:
        text = path.read_text() if path.is_file() else ""
        listed = re.findall(r"\[\"?evoselect\"?, \"?worker\"?, ([^\]]+)\]", text)
        found += [(path.name, re.findall(r"[\w-]+", line)) for line in listed]
        typed = re.findall(r"\bevoselect worker (--[^\n`|#&]+)", text)
        found += [(path.name, shlex.split(line.rstrip("\\ "))) for line in typed]
    return found


@pytest.mark.parametrize(("where", "arguments"), command_lines())
def test_the_command_takes_every_line(where: str, arguments: list[str]) -> None:
    worker = typer.main.get_command(app).commands["worker"]  # type: ignore[attr-defined]  # a group's
    arguments = [STANDS_FOR.get(value, value) for value in arguments]
    asked = worker.make_context("worker", list(arguments)).params
    assert set(asked["queue"]) <= set(QUEUES), where


def test_the_examples_are_among_them() -> None:
    names = {where for where, _ in command_lines()}
    assert {
        "feature-workers.sbatch",
        "gpu-nodes.yaml",
        "evoselect.yaml",
        "docker-compose.yml",
        "Dockerfile",
    } <= names


def test_the_script_is_bash_and_its_settings_exist(tmp_path: Path) -> None:
    text = SLURM.read_text()
    assert subprocess.run(["bash", "-n", SLURM], check=False).returncode == 0
    assert set(re.findall(r"EVOSELECT_[A-Z_]+", text)) - OWN <= KNOWN
    options = re.findall(r"^#SBATCH (--[a-z-]+)", text, re.MULTILINE)
    assert text.index("#SBATCH") < text.index("set -eu")  # SLURM reads none behind the first command
    assert {"--nodes", "--ntasks-per-node", "--gpus-per-node", "--time", "--signal"} <= set(options)
    assert "--ntasks-per-node=1" in text  # the command starts the workers of a node


def test_the_script_runs_the_command_on_every_node_with_the_settings(tmp_path: Path) -> None:
    """With an srun that prints what it was asked and what it was given."""
    srun = tmp_path / "srun"
    srun.write_text('#!/bin/sh\necho "$@"\nenv\n')
    srun.chmod(0o755)
    settings = tmp_path / "evoselect.env"
    variables = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "SLURM_JOB_ID": "7"}
    asked = {**variables, "EVOSELECT_SETTINGS": str(settings), "TMPDIR": str(tmp_path)}

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["bash", SLURM], env=asked, capture_output=True, text=True, check=False)

    missing = run()
    assert (missing.returncode, str(settings) in missing.stderr) == (78, True)
    settings.write_text("EVOSELECT_DATABASE_URL='postgresql+psycopg://u:p@db/e'\n")
    first, *environment = run().stdout.splitlines()
    assert first.endswith("evoselect worker --queue features --per-gpu")
    assert "EVOSELECT_DATABASE_URL=postgresql+psycopg://u:p@db/e" in environment
    assert f"EVOSELECT_HOME={tmp_path}/evoselect-7" in environment


def test_the_pod_of_a_node_is_as_closed_as_the_others_and_may_end_in_time() -> None:
    (others,) = [
        one["spec"]["template"]["spec"]
        for one in yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "evoselect.yaml").read_text())
        if one["metadata"]["name"] == "feature-worker" and one["kind"] == "Deployment"
    ]
    pod = NODES["spec"]["template"]["spec"]
    (mine,), (theirs,) = pod["containers"], others["containers"]
    for name in ("image", "envFrom", "securityContext", "volumeMounts", "command"):
        assert mine[name] == theirs[name]
    for name in ("securityContext", "automountServiceAccountToken", "enableServiceLinks"):
        assert pod[name] == others[name]
    assert (
        NODES["spec"]["selector"]["matchLabels"].items()
        <= NODES["spec"]["template"]["metadata"]["labels"].items()
    )
    assert (
        NODES["spec"]["template"]["metadata"]["labels"]["part-of"] == "evoselect"
    )  # what network.yaml closes
    longest = Settings.model_fields["shutdown_seconds"].default + SPARE_SECONDS
    assert pod["terminationGracePeriodSeconds"] > longest
