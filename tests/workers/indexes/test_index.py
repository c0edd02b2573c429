"""An index by real workers and a tiny model: exact, grown by its new rows alone, gone with its pool."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from store.artifacts import Artifacts
from store.data import nearest, pool_indexes
from store.data.pool_indexes import IndexFiles
from tests.live import Api, Json
from tests.workers.line import Line, whole_line
from tests.workers.proxy import ALIAS, NATIONS

TARGET = [{"prompt": "what is the capital of peru", "completion": "lima"}]


@pytest.fixture
def line(
    database_url: str, tmp_path: Path, proxy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Line]:
    listing = tmp_path / "models.json"
    listing.write_text(json.dumps({ALIAS: {"kind": "folder", "location": str(proxy_folder)}}))
    with whole_line(database_url, tmp_path / "home", listing, monkeypatch) as found:
        yield found


def rows(start: int, stop: int) -> list[Json]:
    """Questions that all differ."""
    found = []
    for number in range(start, stop):
        nation, capital = NATIONS[number % len(NATIONS)].split()
        letters = " ".join("abcdefghijklmnopqrstuvwxyz"[number // 6 % 26 :][:3])
        found.append(
            {
                "id": f"r{number}",
                "prompt": f"{letters} what is the capital of {nation}",
                "completion": f"it is called {capital} {letters}",
            }
        )
    return found


def pool_of(api: Api, *batches: list[Json]) -> str:
    pool: str = api.made("/v1/pools", {})["id"]
    for batch in batches:
        api.made(f"/v1/pools/{pool}/batches", {"records": batch})
    return pool


def selected(line: Line, pool: str, **features: Any) -> Json:
    target = line.api.made("/v1/targets", {"records": TARGET})["id"]
    body = {"target_id": target, "pool_id": pool, "k": 3, "model": ALIAS, "features": features}
    job = line.done("selections", body)
    assert job["status"] == "completed", job["error"]
    return job


def indexed(line: Line, pool: str, **more: Any) -> Json:
    job = line.done("indexings", {"pool_id": pool, **more})
    assert job["status"] == "completed", job["error"]
    result: Json = job["result"]
    return result


def similar(api: Api, pool: str, name: str, limit: int = 10) -> Json:
    return api.get(f"/v1/pools/{pool}/similar?record_id={name}&limit={limit}")


def held(line: Line, pool: str) -> tuple[IndexFiles, dict[int, np.ndarray]]:
    """The index, and the row of each number as its files have it."""
    with line.api.database.transaction() as session:
        row = pool_indexes.find(session, pool)
        assert row is not None
        files = IndexFiles.model_validate(row.files)
    artifacts = Artifacts(line.api.settings.artifacts_url)
    found = {}
    for part in files.parts:
        with artifacts.open(part.file.path) as stream:
            data = io.BytesIO(stream.read())
        status = nearest.statuses(data, part, files)
        usable = np.flatnonzero(status == files.statuses.index("ok")) + part.first
        found |= dict(zip(usable.tolist(), nearest.in_order(data, part, files), strict=True))
    return files, found


def by_force(found: dict[int, np.ndarray], number: int, count: int) -> list[tuple[int, float]]:
    """The twin: every cosine, sorted."""
    own = found[number].astype(np.float64)
    told = []
    for other, row in found.items():
        whole = row.astype(np.float64)
        if other != number:
            told.append((-round(float(whole @ own / np.linalg.norm(whole) / np.linalg.norm(own)), 9), other))
    return [(other, -cosine) for cosine, other in sorted(told)[:count]]


@pytest.mark.parametrize("features", [{}, {"kind": "hidden"}, {"kind": "combined"}], ids=str)
def test_what_it_finds_is_what_every_cosine_says(line: Line, features: Json) -> None:
    pool = pool_of(line.api, rows(0, 20), rows(20, 40))
    selected(line, pool, dim=64, **features)
    result = indexed(line, pool)
    kind = features.get("kind", "gradient")
    assert result["kind"] == ("hidden" if kind == "combined" else kind)
    assert (result["rows"], result["usable"], result["added"]) == (40, 40, 40)
    _, found = held(line, pool)
    assert len(found) == 40
    for name in ("r0", "r17", "r39"):
        answer = similar(line.api, pool, name, 7)
        numbers = [(row["number"] - 1, row["cosine"]) for row in answer["data"]]
        wanted = by_force(found, int(name[1:]), 7)
        assert [number for number, _ in numbers] == [number for number, _ in wanted]
        assert [cosine for _, cosine in numbers] == pytest.approx([cosine for _, cosine in wanted], abs=1e-6)
        assert answer["of"]["record"]["id"] == name
        assert answer["index"]["exact"]
        assert answer["missing"] == 0
        assert {row["record"]["id"] for row in answer["data"]} == {f"r{number}" for number, _ in wanted}
