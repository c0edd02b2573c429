"""What the report of a selection needs, computed where the features are and stored beside the items."""

from collections.abc import Mapping, Sequence

import numpy as np
import orjson
import pyarrow as pa
from torch import Tensor

from evoselect.neighbours.both_ways import Nearest
from evoselect.pools.pool import Pool
from evoselect.report.neighbourhoods import labels
from evoselect.report.numbers import Map, numbers
from evoselect.selection import Selection
from store.artifacts import Artifacts, StoredFile
from store.kit.json import Json
from store.records.record import Record, plain_text
from store.records.stored import some
from store.results import maps
from workers.process import results
from workers.selections import axes as round_axes
from workers.selections.axes import Axes
from workers.selections.near_copies import Found

DIGITS = 5  # of a coordinate; the features are of norm 1
MAX_TEXT = 2_000  # characters of a record on the map
SOURCE = "source"  # column by which points are coloured where records have one
MOST_SOURCES = 50  # values of another column that tells records apart, at most
MAX_SOURCE = 60  # characters of a value
MOST_COLUMNS = 6  # beside the source, by which points can be filtered


def store(
    artifacts: Artifacts,
    tenant_id: str,
    *,
    seed: int,
    sent: Sequence[Record],
    wanted: Sequence[Record],
    candidates: Tensor | Pool,
    targets: Tensor,
    selection: Selection,
    near: Nearest,
    axes: Axes | None = None,
    copies: Found | None = None,
) -> dict[str, StoredFile]:
    """The artifacts `report` (JSON), `map` (Parquet) and `plane` (safetensors).

    The map lies in the plane of an earlier selection where `axes` has one. `copies` are near-copies, where
    they were looked for.
    """
    plane = None if axes is None else axes.plane
    found, picture = numbers(candidates, targets, selection, near=near, seed=seed, axes=plane)
    found["map"]["axes"] = axes and {"selection_id": axes.selection_id, "round": axes.round}
    found["targets"]["listed"] = [_named(row, wanted) for row in found["targets"]["listed"]]
    found["near_copy_texts"] = copies and copies.texts()
    drawn = _drawn(picture, sent, wanted)
    beside = [_beside(record) for record in drawn]
    values = _values(beside)
    found["map"]["source"] = by = _source(values)
    found["map"]["columns"] = _further(values, by)
    texts = [plain_text(record) for record in drawn]
    found["map"]["clusters"] = labels(texts, picture.near.cluster) if picture.near else []
    results.finite(found, "report")
    told = {
        "source": [by and _told(row.get(by)) for row in beside],
        "length": [len(text) for text in texts],
        "columns": [_columns_of(row, found["map"]["columns"]) for row in beside],
    }
    columns = _columns(picture, drawn, selection, near) | told
    table = maps.table(columns | {"text": [text[:MAX_TEXT] for text in texts]})
    report = artifacts.put_bytes(f"{tenant_id}/report", orjson.dumps(found), ".json")
    points = artifacts.put_table(f"{tenant_id}/map", table)
    return {
        "report": report.reference(rows=1),
        "map": points.reference(rows=table.num_rows),
        "plane": round_axes.put(artifacts, tenant_id, picture.plane),
    }


def _named(row: Json, wanted: Sequence[Record]) -> Json:
    record = wanted[row.pop("row")]
    return {"id": record.id, "group": record.group, **row}


def _drawn(picture: Map, sent: Sequence[Record], wanted: Sequence[Record]) -> list[Record]:
    """The records of the map: candidates, targets, selected."""
    shown, goals, chosen = picture.pool.tolist(), picture.targets.tolist(), picture.order.tolist()
    held, asked = some(sent, [*shown, *chosen]), some(wanted, goals)
    return [*(held[row] for row in shown), *asked.values(), *(held[row] for row in chosen)]


def _beside(record: Record) -> Json:
    """What travels along with a record."""
    own = {} if record.group is None else {"group": record.group}
    return {**(record.metadata or {}), **(record.extra or {}), **own}


def _told(value: object) -> str | None:
    """A value as filters of records name it; None where there is none, or no short one."""
    if value is None or isinstance(value, dict | list):
        return None
    return (value if isinstance(value, str) else orjson.dumps(value).decode())[:MAX_SOURCE]


def _columns_of(row: Json, names: Sequence[str]) -> str | None:
    """The values of these columns as JSON; None where no column is named."""
    return orjson.dumps({name: _told(row.get(name)) for name in names}).decode() if names else None


def _values(rows: Sequence[Json]) -> dict[str, set[str]]:
    """By column the values that there are, in words."""
    values: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.items():
            if (text := _told(value)) is not None:
                values.setdefault(name, set()).add(text)
    return values


def _several(values: Mapping[str, set[str]]) -> list[str]:
    """Columns of two values at least and not too many, those of the fewest first."""
    several = {name: len(held) for name, held in values.items() if 1 < len(held) <= MOST_SOURCES}
    return sorted(several, key=lambda name: (several[name], name))


def _source(values: Mapping[str, set[str]]) -> str | None:
    """The column that tells where a record is from: `source`, else the one of fewest values, two at least."""
    if SOURCE in values:
        return SOURCE
    return next(iter(_several(values)), None)


def _further(values: Mapping[str, set[str]], source: str | None) -> list[str]:
    """Other columns by which the points can be filtered."""
    return [name for name in _several(values) if name != source][:MOST_COLUMNS]


def _columns(picture: Map, drawn: Sequence[Record], selection: Selection, near: Nearest) -> Json:
    chosen = picture.order
    sizes, before = (len(picture.pool), len(picture.targets), len(chosen)), len(drawn) - len(chosen)
    kinds = ("pool", "target", "selected")
    laid = picture.near
    tsne = np.full((len(drawn), 2), np.nan)
    if laid is not None:
        tsne[laid.rows] = laid.points.round(DIGITS)
    relevance = np.concatenate(
        [near.cosine[picture.pool], np.full(sizes[1], np.nan), near.cosine[chosen]]
    ).round(DIGITS)
    return {
        "id": [record.id for record in drawn],
        "kind": [kind for kind, size in zip(kinds, sizes, strict=True) for _ in range(size)],
        "selected": [False] * before + [True] * len(chosen),
        "rank": [None] * before + list(range(1, len(chosen) + 1)),
        "score": [None] * before + selection.reasons.score[: len(chosen)].tolist(),
        "x": picture.points[:, 0].round(DIGITS),
        "y": picture.points[:, 1].round(DIGITS),
        "tsne_x": pa.array(tsne[:, 0], from_pandas=True),
        "tsne_y": pa.array(tsne[:, 1], from_pandas=True),
        "relevance": pa.array(relevance, from_pandas=True),
        "cluster": [None] * len(drawn) if laid is None else laid.cluster,
        "neighbors": [
            {"ids": ids, "distances": distances}
            for ids, distances in zip(picture.neighbours.tolist(), picture.distances.tolist(), strict=True)
        ],
    }
