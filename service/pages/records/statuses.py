"""What a completed selection made of each candidate of its pool: selected, left out, or not usable."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from service.data import records
from service.pages.records import views
from service.pages.records.filters import Filter
from service.services import State
from store.data import pools
from store.data.sources import Source
from store.jobs.requests import SelectionNames
from store.jobs.results import files_of
from store.kit.json import Json
from store.records.record import has_extra
from store.results import items as selected
from store.tables.jobs import Job

ALL = 2**62


@dataclass(frozen=True, slots=True)
class CandidateStatuses:
    """The status of every candidate, by content or, where only that was kept, by id."""

    selected: pa.Array
    considered: pa.Table | None
    """content_hash, nearest_target, cosine of all that could be selected; None for earlier releases."""
    reasons: dict[str, str]
    """By id why a candidate could not be selected."""

    def left_out(self, floor: float | None) -> records.Keep:
        """Those that could have been selected and were not, at least so near to a target."""

        def keep(table: pa.Table) -> pa.Array:
            hashes = table["content_hash"].combine_chunks()
            away = pc.invert(pc.is_in(hashes, value_set=self.selected))
            if self.considered is None:
                return pc.and_(away, pc.invert(_among(table["id"], self.reasons)))
            could = self.considered
            if floor is not None:
                could = could.filter(pc.greater_equal(could["cosine"], floor))
            return pc.and_(away, pc.is_in(hashes, value_set=could["content_hash"].combine_chunks()))

        return keep

    def unusable(self, table: pa.Table) -> pa.Array:
        """Those that could not be selected."""
        rejected = _among(table["id"], self.reasons)
        if self.considered is None:
            return rejected
        known = self.considered["content_hash"].combine_chunks()
        return pc.and_(rejected, pc.invert(pc.is_in(table["content_hash"].combine_chunks(), value_set=known)))

    def nearest(self, hashes: Sequence[str]) -> dict[str, tuple[str, float]]:
        """By content the target that a candidate is most like, and how much, of those where that is known."""
        if self.considered is None:
            return {}
        known = self.considered["content_hash"].combine_chunks()
        places = pc.index_in(pa.array(hashes, pa.string()), value_set=known)
        rows = self.considered.take(places.drop_null()).to_pylist()
        return {row["content_hash"]: (row["nearest_target"], row["cosine"]) for row in rows}

    def similar(self, hashes: Sequence[str]) -> dict[str, tuple[int, float]]:
        """By content rank and cosine of the item that it is most like, of those where that is known."""
        if self.considered is None or "item_rank" not in self.considered.column_names:
            return {}
        known = self.considered["content_hash"].combine_chunks()
        places = pc.index_in(pa.array(hashes, pa.string()), value_set=known)
        rows = self.considered.take(places.drop_null()).to_pylist()
        told = ((row["content_hash"], row["item_rank"], row["item_cosine"]) for row in rows)
        return {name: (rank, cosine) for name, rank, cosine in told if rank is not None}


def _among(ids: pa.ChunkedArray, known: dict[str, str]) -> pa.Array:
    return pc.is_in(ids.combine_chunks(), value_set=pa.array(list(known), pa.string()))


def of_job(state: State, job: Job) -> CandidateStatuses:
    """Read from what the job stored."""
    chosen = pa.array(selected.contents(state.artifacts, files_of(job.result).items), pa.string())
    return CandidateStatuses(chosen, _considered(state, job), _reasons(state, job))


def _considered(state: State, job: Job) -> pa.Table | None:
    stored = files_of(job.result).considered
    if stored is None:
        return None
    columns = ("content_hash", "nearest_target", "cosine", "item_rank", "item_cosine")
    return state.artifacts.get_table(stored.path, stored.sha256, columns)


def _reasons(state: State, job: Job) -> dict[str, str]:
    stored = files_of(job.result).rejected
    if stored is None:
        return {}
    lines = state.artifacts.get_bytes(stored.path, stored.sha256).splitlines()
    return {row["id"]: row["reason"] for row in map(orjson.loads, lines)}


def sources(state: State, job: Job) -> list[Source]:
    """The files of the pool as the selection saw it; none where it was deleted since."""
    asked = SelectionNames.of(job.request, job.id)
    with state.database.transaction() as session:
        batches = pools.batches(session, asked.pool_id, asked.pool_version)
        return [Source("pool", one.artifact, one.sha256, one.accepted - one.duplicates) for one in batches]


def selected_page(state: State, job: Job, asked: Filter, limit: int) -> tuple[list[Json], int | None]:
    """Items behind the rank `after` that the filter keeps, and the rank that the next page is behind."""
    stored, found, rank = files_of(job.result).items, list[Json](), asked.after
    for texts in selected.read_groups(state.artifacts, stored, after=asked.after, limit=ALL):
        for text in texts:
            rank += 1
            item = _kept(text, asked)
            if item is None:
                continue
            found.append(item)
            if len(found) == limit:
                return found, rank if rank < (stored.rows or 0) else None
    return found, None


def _kept(text: str, asked: Filter) -> Json | None:
    """The item of a JSON text; None where the filter leaves it out."""
    wanted = asked.search.casefold()
    if wanted and orjson.dumps(wanted)[1:-1].decode() not in text.casefold():
        return None  # most rows end here, unparsed
    item: Json = orjson.loads(text)
    if wanted and wanted not in views.whole(item["record"]).casefold():
        return None
    if asked.extra and not has_extra(item["record"].get("extra"), asked.extra):
        return None
    return None if asked.floor is not None and (item.get("score") or 0.0) < asked.floor else item
