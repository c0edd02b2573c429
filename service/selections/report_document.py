"""The report of a completed selection as JSON: what the select worker stored, and what the job says."""

import orjson

from service.http.problems import Problem
from service.jobs.reported import reported
from store.artifacts import Artifacts, StoredFile
from store.jobs.results import files_of
from store.kit.json import Json
from store.results import maps
from store.tables.jobs import Job

TEXT = 160  # characters by which an example of the target is told from others
EARLIER_MAP: Json = {"axes": None, "tsne": None, "source": None, "columns": [], "clusters": []}


def document(artifacts: Artifacts, job: Job) -> Json:
    """All numbers; raises Problem 409 for a selection of a release that stored no report."""
    files = files_of(job.result)
    if files.report is None or files.map is None:
        detail = f"Selection {job.id} was made before reports were stored; run the same request again."
        raise Problem(409, "no_report", detail)
    numbers = stored_numbers(artifacts, files.report)
    drawn = artifacts.get_table(files.map.path, files.map.sha256, maps.DRAWN)
    numbers["map"] = {**EARLIER_MAP, **numbers["map"], "points": maps.points(drawn)}
    result = job.result or {}
    diagnostics = dict(result["diagnostics"])
    return {
        "object": "selection.report",
        "selection": {name: value for name, value in reported(job).items() if name != "status"},
        "counts": result.get("counts", {}),
        "tradeoff": diagnostics.pop("tradeoff", []),
        "against": diagnostics.pop("metrics", {}),
        "diagnostics": diagnostics,
        "features": result.get("features", {}),
        "near_copies": result.get("near_copies"),
        "conditioning": result.get("conditioning"),
        "manifest": result.get("manifest", {}),
        "near_copy_texts": None,  # of reports of earlier releases
        **numbers,
    }


def stored_numbers(artifacts: Artifacts, stored: StoredFile) -> Json:
    """What the select worker left in the artifact `report`."""
    numbers: Json = orjson.loads(artifacts.get_bytes(stored.path, stored.sha256))
    return numbers


def target_texts(artifacts: Artifacts, job: Job) -> dict[str, str]:
    """How the examples of the target begin that the map shows, by id."""
    return map_texts(artifacts, job)["target"]


def map_texts(artifacts: Artifacts, job: Job) -> dict[str, dict[str, str]]:
    """By kind of point how what the map shows begins, by id."""
    found: dict[str, dict[str, str]] = {kind: {} for kind in maps.KINDS}
    if (stored := files_of(job.result).map) is not None:
        table = artifacts.get_table(stored.path, stored.sha256, ("id", "kind", "text"))
        columns = (table[name].to_pylist() for name in ("id", "kind", "text"))
        for name, kind, text in zip(*columns, strict=True):
            found[kind][name] = _short(text)
    return found


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT else f"{line[:TEXT]}…"
