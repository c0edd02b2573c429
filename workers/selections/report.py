"""What the report of a selection needs, computed where the features are and stored beside the items."""

from collections.abc import Sequence

import orjson
from torch import Tensor

from evoselect.neighbours.both_ways import Nearest
from evoselect.pools.pool import Pool
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
    results.finite(found, "report")
    table = maps.table(_columns(picture, sent, wanted, selection))
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


def _columns(picture: Map, sent: Sequence[Record], wanted: Sequence[Record], selection: Selection) -> Json:
    chosen = selection.indices[: picture.selected].tolist()
    shown, goals = picture.pool.tolist(), picture.targets.tolist()
    held, asked = some(sent, [*shown, *chosen]), some(wanted, goals)
    every = [*(held[row] for row in shown), *asked.values(), *(held[row] for row in chosen)]
    before = len(shown) + len(goals)
    return {
        "id": [record.id for record in every],
        "kind": ["pool"] * len(shown) + ["target"] * len(goals) + ["selected"] * len(chosen),
        "selected": [False] * before + [True] * len(chosen),
        "rank": [None] * before + list(range(1, len(chosen) + 1)),
        "score": [None] * before + selection.reasons.score[: len(chosen)].tolist(),
        "x": picture.points[:, 0].round(DIGITS),
        "y": picture.points[:, 1].round(DIGITS),
        "neighbors": [
            {"ids": ids, "distances": distances}
            for ids, distances in zip(picture.neighbours.tolist(), picture.distances.tolist(), strict=True)
        ],
        "text": [plain_text(record)[:MAX_TEXT] for record in every],
    }
