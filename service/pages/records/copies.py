"""What the rows of a page nearly repeat: other candidates, each with its page, and examples of targets."""

from collections.abc import Collection
from typing import TypedDict

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from service.html.templates import number
from service.services import State
from store.jobs.results import files_of
from store.kit.json import Json
from store.tables.jobs import Job

COLUMNS = ("id", "content_hash", "cluster", "leaks")
NONE = "null"  # the JSON of a candidate without a cluster


class NearCopy(TypedDict):
    """What a row nearly repeats, in words, with the page of that."""

    what: str
    link: str
    """What the link says."""
    href: str


def of_rows(state: State, job: Job, hashes: Collection[str]) -> dict[str, list[NearCopy]]:
    """By content what it nearly repeats, of those that repeat something; none where nobody searched."""
    stored = files_of(job.result).near_copies
    if stored is None or not hashes:
        return {}
    table = state.artifacts.get_table(stored.path, stored.sha256, COLUMNS)
    flagged = table.filter(pc.is_in(table["content_hash"], value_set=pa.array(sorted(hashes), pa.string())))
    named = pc.unique(flagged["cluster"].combine_chunks())
    members = table.filter(pc.is_in(table["cluster"], value_set=named)).select(
        ["id", "content_hash", "cluster"]
    )
    clusters: dict[str, list[Json]] = {}
    for member in members.to_pylist():
        clusters.setdefault(member["cluster"], []).append(member)
    found: dict[str, list[NearCopy]] = {}
    for row in flagged.to_pylist():
        name, text = row["content_hash"], row["cluster"]
        others = [] if text == NONE else [one for one in clusters[text] if one["content_hash"] != name]
        copy = [_copy(job, orjson.loads(text), others)] if others else []
        found[name] = copy + [_leak(leak) for leak in orjson.loads(row["leaks"])]
    return found


def _copy(job: Job, cluster: Json, others: list[Json]) -> NearCopy:
    """The first of its cluster, or where it is that itself another one."""
    first = next((one for one in others if one["id"] == cluster["representative"]), None)
    shown = first or others[0]
    return {
        "what": f"One of {number(cluster['rows'])} near-copies:",
        "link": "the first of them" if first else "another of them",
        "href": f"/ui/selections/{job.id}/candidates/{shown['content_hash']}",
    }


def _leak(leak: Json) -> NearCopy:
    """An example that it nearly repeats; its own page has both texts."""
    return {
        "what": f"Likeness {number(leak['similarity'])} to an example of",
        "link": "a target",
        "href": f"/ui/targets/{leak['target_id']}",
    }
