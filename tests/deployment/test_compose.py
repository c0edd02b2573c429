"""Dockerfile and compose file against the settings, the queues and the programs they name."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from store.jobs.plans import QUEUE
from store.settings import Settings

ROOT = Path(__file__).parent.parent.parent
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_every_variable_is_a_setting_and_every_server_is_named(compose: dict[str, Any]) -> None:
    known = {f"EVOSELECT_{name.upper()}" for name in Settings.model_fields}
    ours = {name for name in compose["x-settings"] if name.startswith("EVOSELECT_")}
    assert ours <= known
    assert {f"EVOSELECT_{n}" for n in ("DATABASE_URL", "REDIS_URL", "ARTIFACTS_URL")} <= ours


def test_the_pepper_is_where_keys_are_checked_and_nowhere_else(compose: dict[str, Any]) -> None:
    with_it = {
        name
        for name, service in compose["services"].items()
        if "EVOSELECT_KEY_PEPPER" in service.get("environment", {})
    }
    assert with_it == {"api", "ops-worker"}  # the latter signs webhooks


def test_artifacts_lie_on_a_volume_that_all_share_and_may_write(compose: dict[str, Any]) -> None:
    folder = compose["x-settings"]["EVOSELECT_ARTIFACTS_URL"].removeprefix("file://")
    made = re.search(r"install -d -o evoselect -m 0700 (.+)", (ROOT / "Dockerfile").read_text())
    assert made
    assert folder in made[1].split()
    for name, service in compose["services"].items():
        if "build" in service:
            assert f"artifacts:{folder}" in service["volumes"], name


def test_the_broker_asks_for_a_password(compose: dict[str, Any]) -> None:
    broker = compose["services"]["redis"]
    assert "--requirepass" in broker["command"]
    assert broker["environment"]["REDISCLI_AUTH"] in compose["x-settings"]["EVOSELECT_REDIS_URL"]


def test_every_queue_has_a_worker(compose: dict[str, Any]) -> None:
    commands = [service.get("command", "") for service in compose["services"].values()]
    served = {match[1] for command in commands if (match := re.search(r"--queue (\w+)", command))}
    assert served == {*QUEUE.values(), "ops"}


def test_the_processes_of_the_architecture_are_there(compose: dict[str, Any]) -> None:
    wanted = {
        "api",
        "feature-worker",
        "select-worker",
        "training-worker",
        "generate-worker",
        "ops-worker",
        "postgres",
        "redis",
    }
    assert wanted <= compose["services"].keys()


def test_build_targets_and_dependencies_exist(compose: dict[str, Any]) -> None:
    stages = set(re.findall(r" AS ([\w-]+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    for service in compose["services"].values():
        if "build" in service:
            assert service["build"]["target"] in stages
        assert service.get("depends_on", {}).keys() <= compose["services"].keys()
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in compose["volumes"]


def test_copied_folders_exist_and_the_images_do_not_run_as_root() -> None:
    text = (ROOT / "Dockerfile").read_text()
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
    parents = {name: parent for parent, name in re.findall(r"^FROM (\S+) AS (\S+)$", text, re.MULTILINE)}
    bodies = {body.split()[2]: body for body in re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]}
    for name in ("service", "worker", "worker-gpu"):
        line = [bodies[name]]
        while (name := parents[name]) in parents:
            line.append(bodies[name])
        assert any("USER 10001" in body for body in line)
        assert not any("pip install" in body for body in line)  # nothing is built in what is shipped


def test_nothing_may_write_to_its_root_and_versions_are_pinned(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if "build" in service:
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name
        else:
            pinned = re.fullmatch(r"\$\{[A-Z]+_IMAGE:-\S+:[\w.-]*\d[\w.-]*\}", service["image"])
            assert pinned, name  # by tag, or in .env by digest
            assert service["image"].split(":")[0].strip("${") in OPERATIONS, name


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_each_profile_serves_every_queue_once(compose: dict[str, Any], profile: str) -> None:
    chosen = [one for one in compose["services"].values() if profile in one.get("profiles", [profile])]
    commands = [service.get("command", "") for service in chosen]
    served = sorted(match[1] for command in commands if (match := re.search(r"--queue (\w+)", command)))
    assert served == sorted({*QUEUE.values(), "ops"})
    needs_gpu = [one for one in chosen if "deploy" in one]
    assert len(needs_gpu) == (2 if profile == "gpu" else 0)
    assert all("--per-gpu" in one["command"] for one in needs_gpu)  # and takes all that the machine has
