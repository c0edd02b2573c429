"""One candidate as its page shows it: its record, its status in words and numbers, what stands beside it."""

from service.data import records
from service.html.templates import number
from service.pages import words
from service.pages.records import beside, similar, statuses, views
from service.selections.report_page import REASONS
from service.services import State
from store.jobs.requests import SelectionNames
from store.jobs.results import files_of
from store.kit.json import Json
from store.results import items as selected
from store.tables.jobs import Job

STATUS = {"selected": "selected", "not_selected": "left out", "not_usable": "could not be selected"}
LONG = 2_000  # characters of a target example that stands beside it
SERVED = 5  # targets


def shown(state: State, job: Job, told: Json) -> Json:
    """The values of its template. ``told`` is what the API answers of the candidate."""
    item = told.get("item")
    record = item["record"] if item else _record(state, job, told["content_hash"])
    reason = told["reason"]
    return {
        "item": item,
        "status": STATUS[told["status"]],
        "reason": _sentence(words.of_item(item) or "Selected" if item else str(REASONS.get(reason, reason))),
        "facts": _of_item(item) if item else _of_other(told),
        "shown": views.shown(record) if record else None,
        "near": _near(state, job, told, record),
        "similar": similar.address(SelectionNames.of(job.request, job.id).pool_id, told["content_hash"]),
    }


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."


def _record(state: State, job: Job, content_hash: str) -> Json | None:
    found = records.find(state, statuses.sources(state, job), content_hash)
    return found["record"] if found else None


def _of_item(item: Json) -> list[tuple[str, str]]:
    lines = [("rank", item.get("rank")), ("score", item.get("score")), ("weight", item.get("weight"))]
    lines += [("repeats", item.get("repeats")), ("tokens", item.get("tokens"))]
    return [(name, number(value)) for name, value in lines if value is not None]


def _of_other(told: Json) -> list[tuple[str, str]]:
    nearest, last = told.get("nearest_target"), told.get("last_selected") or {}
    lines = []
    if nearest:
        lines.append(("cosine to the nearest target example", number(nearest["cosine"])))
    if last.get("cosine") is not None:
        what = f"cosine of the last one that was selected (rank {number(last.get('rank'))})"
        lines.append((what, number(last["cosine"])))
    if similar := told.get("nearest_item"):
        what = f"cosine to the most similar one that was selected (rank {number(similar['rank'])})"
        lines.append((what, number(similar["cosine"])))
    if told.get("repeated"):
        lines.append(("received", "as a copy of a record that was there already"))
    return lines


def _near(state: State, job: Job, told: Json, record: Json | None) -> list[Json]:
    item, nearest = told.get("item"), told.get("nearest_target")
    served = (item.get("targets") or [])[:SERVED] if item else [nearest] if nearest else []
    texts = beside.target_texts(state, job, [one["id"] for one in served], LONG)
    what = "A target example that it serves" if item else "The target example that it is most like"
    near = [
        {"what": what, "cosine": one["cosine"], "marked": None, "text": texts[one["id"]]}
        for one in served
        if one["id"] in texts
    ]
    alike = _alike(state, job, item, record) if item and record else _similar(state, job, told, record)
    return near + alike + (_copies(state, job, told, record) if record else [])


def _copies(state: State, job: Job, told: Json, record: Json) -> list[Json]:
    """What it nearly repeats, with the differences: the first of its cluster, and examples."""
    found, cluster = list[tuple[str, str]](), told.get("cluster") or {}
    first = cluster.get("representative")
    if first is not None and first not in (told["id"], told["content_hash"]):
        held = beside.texts_of(state, statuses.sources(state, job), [first], views.MARKED)
        found += [(f"The first of {number(cluster['rows'])} near-copies", text) for text in held.values()]
    for leak in told.get("leaks") or ():
        sources = beside.target_sources(state, job, leak["target_id"])
        held = beside.texts_of(state, sources, [leak["partner"]], views.MARKED)
        found += [("An example that it nearly repeats", text) for text in held.values()]
    own = views.beginning(record, views.MARKED)
    return [
        {"what": what, "cosine": None, "marked": views.marked(own, text), "text": ""} for what, text in found
    ]


def _similar(state: State, job: Job, told: Json, record: Json | None) -> list[Json]:
    """The item that a left-out candidate is most like, its differences marked."""
    similar = told.get("nearest_item")
    if not similar or not record:
        return []
    item = selected.at(state.artifacts, files_of(job.result).items, {similar["rank"]})[similar["rank"]]
    pieces = views.marked(views.whole(record), views.whole(item["record"]))
    what = f"The most similar one that was selected, rank {number(similar['rank'])}"
    return [{"what": what, "cosine": similar["cosine"], "marked": pieces, "text": ""}]


def _alike(state: State, job: Job, item: Json, record: Json) -> list[Json]:
    """The most similar other item, its differences marked."""
    name = item.get("nearest_selected")
    other = selected.find(state.artifacts, files_of(job.result).items, name) if name else None
    if other is None:
        return []
    what = f"The most similar other one that was selected, rank {number(other['rank'])}"
    pieces = views.marked(views.whole(record), views.whole(other["record"]))
    return [{"what": what, "cosine": None, "marked": pieces, "text": ""}]
