"""Kubernetes manifests, alert rules, dashboard against the settings, the queues and what /metrics tells."""

import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from store.jobs.plans import QUEUE
from store.kit.egress import is_public
from store.settings import Settings
from tests.live import Api
from tests.live import api as api

DEPLOY = Path(__file__).parents[2] / "deploy"
OPERATIONS = (DEPLOY.parent / "docs" / "operations.md").read_text()
SETTINGS = {f"EVOSELECT_{name.upper()}" for name in Settings.model_fields}


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text()))


@pytest.fixture(scope="module")
def pods() -> dict[str, dict[str, Any]]:
    """Pod specifications by name."""
    kinds = ("Deployment", "Job")
    found = {one["metadata"]["name"]: one for one in documents("evoselect.yaml") if one["kind"] in kinds}
    return {name: one["spec"]["template"]["spec"] for name, one in found.items()}


def test_every_queue_has_a_deployment_that_is_probed_for_it(pods: dict[str, dict[str, Any]]) -> None:
    served = set()
    for pod in pods.values():
        (container,) = pod["containers"]
        command = [str(part) for part in container.get("command", [])]
        if "--queue" in command:
            queue = command[command.index("--queue") + 1]
            served.add(queue)
            assert container["livenessProbe"]["exec"]["command"][-1] == queue
            assert (
                pod["terminationGracePeriodSeconds"] > Settings.model_fields["shutdown_seconds"].default + 2
            )
    assert served == {*QUEUE.values(), "ops"}
    assert {"api", "migrate"} <= pods.keys()


def test_no_pod_may_do_more_than_it_needs(pods: dict[str, dict[str, Any]]) -> None:
    for name, pod in pods.items():
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["automountServiceAccountToken"] is False
        assert all(volume["emptyDir"]["sizeLimit"] for volume in pod["volumes"])
        keys = [{"secretRef": {"name": "evoselect-keys"}}] if name in ("api", "ops-worker") else []
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
        assert container["resources"]["limits"]["memory"]
        assert container["envFrom"] == [{"secretRef": {"name": "evoselect"}}, *keys]
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/tmp", "/var/lib/evoselect"}
        assert ":latest" not in container["image"]


def policies() -> dict[str, dict[str, Any]]:
    found = documents("network.yaml")
    assert {one["kind"] for one in found} == {"NetworkPolicy"}
    return {one["metadata"]["name"]: one["spec"] for one in found}


def test_every_pod_is_closed_and_only_some_reach_the_outside() -> None:
    kinds = ("Deployment", "Job")
    labels = [
        one["spec"]["template"]["metadata"]["labels"]
        for one in documents("evoselect.yaml")
        if one["kind"] in kinds
    ]
    found = policies()
    closed = found["evoselect-nothing"]
    assert closed.keys() == {"podSelector", "policyTypes"}  # no rule: nothing is allowed
    assert sorted(closed["policyTypes"]) == ["Egress", "Ingress"]
    assert all(closed["podSelector"]["matchLabels"].items() <= one.items() for one in labels)
    (chosen,) = found["evoselect-outside"]["podSelector"]["matchExpressions"]
    assert set(chosen["values"]) == {"evoselect-ops", "evoselect-generate"}
    assert set(chosen["values"]) <= {one.get("app") for one in labels}
    blocks = [name for name, spec in found.items() if "ipBlock" in str(spec)]
    assert blocks == ["evoselect-outside"]


def test_the_outside_is_what_the_guard_of_webhooks_calls_public() -> None:
    (rule,) = policies()["evoselect-outside"]["egress"]
    for block in (place["ipBlock"] for place in rule["to"]):
        allowed = ipaddress.ip_network(block["cidr"])
        kept = [ipaddress.ip_network(one) for one in block["except"]]
        assert all(one.network_address in allowed for one in kept), block
        assert not any(is_public(one.network_address + 1) for one in kept), block
    refused = [ipaddress.ip_network(one) for one in rule["to"][0]["ipBlock"]["except"]]
    for address in ("10.0.0.1", "172.31.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "127.0.0.1"):
        assert any(ipaddress.ip_address(address) in one for one in refused), address


def test_all_manifests_are_applied_together() -> None:
    listed = documents("kustomization.yaml")[0]["resources"]
    assert set(listed) == {"evoselect.yaml", "network.yaml"}


def test_the_images_are_stages(pods: dict[str, dict[str, Any]]) -> None:
    stages = set(re.findall(r" AS ([\w-]+)$", (DEPLOY.parent / "Dockerfile").read_text(), re.MULTILINE))
    images = {pod["containers"][0]["image"].split(":")[0].removeprefix("evoselect-") for pod in pods.values()}
    assert images <= stages


def test_autoscaling_names_deployments_and_queues(pods: dict[str, dict[str, Any]]) -> None:
    for scaled in documents("autoscaling.yaml"):
        target = scaled["spec"]["scaleTargetRef"]["name"]
        command = pods[target]["containers"][0]["command"]
        query = scaled["spec"]["triggers"][0]["metadata"]["query"]
        assert f'queue="{command[command.index("--queue") + 1]}"' in query


def test_every_metric_is_one_that_the_service_tells(api: Api) -> None:
    api.get("/v1/selections")  # counters appear with the first request
    text = httpx.get(f"{api.url}/metrics").text
    told = set(re.findall(r"^(?:# TYPE )?(evoselect_\w+)", text, re.MULTILINE))
    texts = [path.read_text() for path in (DEPLOY / "monitoring").iterdir()]
    texts.append((DEPLOY / "kubernetes" / "autoscaling.yaml").read_text())
    named = {name for text in texts for name in re.findall(r"\bevoselect_\w+", text)}
    assert len(named) >= 6
    assert named <= told


def test_every_alert_has_a_runbook_that_is_there() -> None:
    rules = yaml.safe_load((DEPLOY / "monitoring" / "alerts.yaml").read_text())["groups"][0]["rules"]
    anchors = {
        title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", OPERATIONS, re.MULTILINE)
    }
    for rule in rules:
        page, anchor = rule["annotations"]["runbook"].split("#")
        assert page == "docs/operations.md"
        assert anchor in anchors


def test_the_dashboard_has_panels_that_do_not_overlap() -> None:
    panels = json.loads((DEPLOY / "monitoring" / "grafana.json").read_text())["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(panels) >= 6


def test_every_variable_of_the_pages_is_a_setting() -> None:
    known = SETTINGS | {"EVOSELECT_URL", "EVOSELECT_API_KEY", "EVOSELECT_LOG"}  # the client's
    for page in [
        *(DEPLOY.parent / "docs").glob("*.md"),
        *DEPLOY.rglob("*.yaml"),
        DEPLOY.parent / "README.md",
    ]:
        named = set(re.findall(r"\bEVOSELECT_[A-Z_]*[A-Z]\b", page.read_text()))
        assert named <= known, f"{page.name}: {named - known}"
