"""The report as one HTML page: styles, script, library and numbers inside, nothing loaded from anywhere."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from service.html.templates import asset, embedded, number, percent, policy, templates
from service.selections.report_charts import charts
from service.selections.report_copies import copies
from service.selections.report_responses import Points, Report
from service.selections.report_summary import summary
from service.selections.result_responses import Measures
from store.kit.json import Json

TEXT_BYTES = 1_500_000  # for the beginnings of all records together, which keeps the page below 5 MB
LONGEST, SHORTEST = 900, 60  # bytes of one of them
SERVED = 60  # characters of each target beside an item
HASH = re.compile("[0-9a-f]{64}")
STYLES = ("uplot.min.css", "base.css", "charts.css", "report.css")
SCRIPTS = ("uplot.min.js", "charts.js", "map.js", "linked.js", "report.js")
REASONS = {
    "in_target": "is also a target example",
    "excluded": "was selected before (exclude_selection_ids)",
    "exact_duplicate": "repeats another candidate",
    "near_copy": "nearly repeats another candidate",
    "leak": "nearly repeats an example that it must not",
    "low_quality": "its quality is below least_quality",
    "funnelled_out": "not near a target by its words (features.funnel)",
    "too_long": "longer than the model's window",
    "truncated_answer": "its answer was cut off",
    "no_answer_tokens": "no answer to learn from",
    "template_mismatch": "the model's chat template refuses it",
    "non_finite": "features are not finite",
    "zero_gradient": "the model learns nothing from it",
}


def page(report: Report, items: Iterable[Json], shown: Mapping[str, dict[str, str]]) -> str:
    """The whole document. ``items`` are the selected ones in order.

    ``shown`` has by kind of point how what the map shows begins, by id.
    """
    drawn, texts = charts(report), shown.get("target", {})
    rows = list(_items(items, len(report.map.points["selected"].id or ()), texts))
    data = {
        "map": _coordinates(report.map.points, shown),
        "clusters": report.map.clusters,
        "source": report.map.source,
        "columns": report.map.columns,
        "tables": {
            "items": _table(ITEM_COLUMNS, rows),
            "targets": _table(TARGET_COLUMNS, _targets(report, texts)),
        },
    }
    style, scripts = asset(*STYLES), [asset(name) for name in SCRIPTS]
    return (
        templates()
        .get_template("report.html")
        .render(
            report=report,
            charts=drawn,
            figures=_figures(report),
            summary=summary(
                counts=report.counts,
                diagnostics=report.diagnostics,
                against=report.against,
                targets=report.targets,
                texts=texts,
            ),
            comparison=_comparison(report),
            copies=copies(report),
            rejected=[(REASONS.get(name, name), count) for name, count in _left_out(report)],
            facts_of_solver=_flat(report.diagnostics.model_dump(exclude_unset=True)),
            versions=_provenance(report),
            request=_flat(report.selection.request.model_dump(mode="json", exclude_unset=True)),
            style=style,
            scripts=scripts,
            policy=policy(style, scripts),
            data=embedded(data),
            shown_items=len(rows),
        )
    )


def _coordinates(
    points: Mapping[str, Points], shown: Mapping[str, dict[str, str]]
) -> dict[str, dict[str, object]]:
    """The names of the selected are in the table of items already; the others go by their texts."""
    selected = points["selected"]
    named = {
        kind: points[kind].model_dump()
        | {"id": [_text(name, shown.get(kind, {})) for name in points[kind].id or ()]}
        for kind in ("pool", "target")
    }
    return {**named, "selected": selected.model_dump(exclude={"id"})}


def _text(name: str, texts: dict[str, str]) -> str:
    """How an example begins; its id where that is not known."""
    return texts.get(name) or _own(name)


def _own(name: str) -> str:
    """An id in short where it is the hash of a content."""
    return f"{name[:8]}…" if HASH.fullmatch(name) else name


ITEM_COLUMNS = (("rank", "number"), ("id", "id"), ("score", "number"), ("serves", "text"), ("record", "text"))
TARGET_COLUMNS = (
    ("target", "text"),
    ("group", ""),
    ("mass", "number"),
    ("items", "number"),
    ("mean cosine", "number"),
    ("best selected", "number"),
    ("best in pool", "number"),
    ("remark", "flag"),
)


def _table(columns: Iterable[tuple[str, str]], rows: list[list[Any]]) -> dict[str, list[Any]]:
    return {"columns": [{"label": label, "kind": kind} for label, kind in columns], "rows": rows}


def _items(items: Iterable[Json], count: int, texts: dict[str, str]) -> Iterator[list[Any]]:
    room = max(SHORTEST, min(LONGEST, TEXT_BYTES // max(1, count)))
    for item in items:
        served = " · ".join(_text(target["id"], texts)[:SERVED] for target in item.get("targets", ())[:2])
        yield [item["rank"], _own(item["id"]), item["score"], served, _beginning(item["record"], room)]


def _beginning(record: Json, room: int) -> str:
    turns = [turn["content"] for turn in record.get("messages") or ()]
    text = "\n".join(part for part in (record.get("prompt"), *turns, record.get("completion")) if part)
    encoded = text.encode()
    return text if len(encoded) <= room else f"{encoded[:room].decode(errors='ignore')}…"


def _targets(report: Report, texts: dict[str, str]) -> list[list[Any]]:
    return [
        [
            _text(row.id, texts),
            row.group,
            row.mass,
            row.items,
            row.mean_cosine,
            row.best_selected,
            row.best_in_pool,
            "uncovered" if row.uncovered else "",
        ]
        for row in report.targets.listed
    ]


def _figures(report: Report) -> list[tuple[str, str, str]]:
    """(what, value, beside what) of the numbers that decide."""
    diagnostics, targets = report.diagnostics, report.targets
    figures = [
        ("Distance to the target", number(diagnostics.transport), _against_random(report.against)),
        ("Targets covered", number(targets.total - targets.uncovered), f"of {targets.total:,}"),
        (
            "Near-duplicate pairs",
            number(report.near_duplicates.pairs),
            f"cosine {report.near_duplicates.cosine_at_least} or more",
        ),
    ]
    if diagnostics.gap is not None:
        more = diagnostics.model_extra or {}
        how = "certified" if more.get("certified") else "not certified"
        figures.append(("Gap to the bound", percent(diagnostics.gap), f"{how}, lambda {more['lambda']:g}"))
    return figures


def _against_random(against: Mapping[str, Measures]) -> str:
    """Measured on the same number of rows of each."""
    if not against:
        return ""
    own, drawn = against["selected"].transport, against["random"].transport
    return f"{100 * (own / drawn - 1):+.0f} % against a random draw" if drawn else ""


def _comparison(report: Report) -> list[tuple[str, list[str]]]:
    names = ("selected", "random", "top_relevance")
    lines = (
        ("Transport", "transport"),
        ("Redundancy", "redundancy"),
        ("Vendi score", "vendi"),
        ("Coverage", "coverage"),
        ("Rows compared", "rows"),
    )
    against = report.against
    if not against:
        return []
    return [(title, [number(getattr(against[name], key)) for name in names]) for title, key in lines]


def _left_out(report: Report) -> list[tuple[str, int]]:
    return sorted(report.counts.left_out.items(), key=lambda pair: -pair[1])


def _provenance(report: Report) -> list[tuple[str, str]]:
    named = ("target_id", "pool_id", "pool_version", "model", "seed")
    lines = [(name, str(getattr(report.selection.request, name))) for name in named]
    versions = sorted((report.manifest.versions or {}).items())
    return [*lines, *report.selection.metadata.items(), *versions]


def _flat(values: Mapping[str, object], above: str = "") -> list[tuple[str, str]]:
    """Nested settings as lines `a.b`, value."""
    lines: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict) and value:
            lines += _flat(value, f"{above}{name}.")
        elif isinstance(value, float | int | None):
            lines.append((f"{above}{name}", number(value)))
        else:
            lines.append(
                (f"{above}{name}", value if isinstance(value, str) else orjson.dumps(value).decode())
            )
    return lines
