"""Near-copies among the candidates of a selection, and of what it aims at or is judged by."""

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import TypedDict

import orjson
import pyarrow as pa

from evoselect.arrays import Ints
from evoselect.copies.find import Leak, Search
from evoselect.copies.words import normalised
from evoselect.spec.copies import NearCopies
from store.artifacts import Artifacts, StoredFile
from store.data import targets
from store.jobs.requests import SelectionWork
from store.kit.json import Json
from store.records import record as records
from store.records.record import Record, plain_text
from store.records.stored import Records, some
from workers.process.work import Work

UNASKED = 50_000  # candidates up to which they are looked for unasked: a few seconds
LISTED = 100  # clusters, and leaks of each set, that the result names
MEMBERS = 20  # of a cluster
TOLD = 5  # of a cluster whose texts the report has
TOLD_CHARS = 240  # of a text
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("cluster", pa.string(), nullable=False),  # JSON, null where there is none
        pa.field("leaks", pa.string(), nullable=False),  # JSON
    ]
)


class Cluster(TypedDict):
    """Candidates that nearly repeat one another."""

    representative: str
    rows: int


class Likeness(TypedDict):
    """How near a candidate comes to an example."""

    partner: str
    similarity: float
    run_share: float


class Leaked(Likeness):
    """An example of a target that a candidate nearly repeats."""

    target_id: str


class Flags(TypedDict):
    """What an item says of its near-copies."""

    cluster: Cluster | None
    leaks: list[Leaked]


@dataclass(frozen=True)
class Found:
    """Clusters, and leaks by set, of rows of the pool."""

    settings: NearCopies
    candidates: Sequence[Record]  # that were looked at
    pinned: set[int]  # places that stay beside their copies
    clusters: list[list[int]]  # the representative first; places among the candidates
    leaks: Mapping[
        str, tuple[Sequence[Record], dict[int, Leak]]
    ]  # by target: its examples, and leaks by place
    seconds: float
    looked_at: str = ""  # hash of the records

    def dropped(self) -> dict[int, str]:
        """Place of every candidate that may not be selected, and why."""
        out: dict[int, str] = {}
        if self.settings.within == "drop":
            others = {row for members in self.clusters for row in members[1:]} - self.pinned
            out |= dict.fromkeys(others, "near_copy")
        if self.settings.leaks == "drop":
            out |= dict.fromkeys((row for _, found in self.leaks.values() for row in found), "leak")
        return out

    def flags(self) -> dict[str, Flags]:
        """By content hash of every candidate that has one of them."""
        found: dict[int, Flags] = {}
        first = some(self.candidates, [members[0] for members in self.clusters])
        for members in self.clusters:
            cluster = Cluster(representative=first[members[0]].id, rows=len(members))
            found |= {row: Flags(cluster=cluster, leaks=[]) for row in members}
        for target_id, (examples, leaks) in self.leaks.items():
            for row, leak in leaks.items():
                own = found.setdefault(row, Flags(cluster=None, leaks=[]))
                own["leaks"].append({"target_id": target_id, **_likeness(leak, examples)})
        named = some(self.candidates, found)
        return {record.content_hash: found[row] for row, record in named.items()}

    def summary(self) -> dict[str, object]:
        """What the result says; the artifact has every row."""
        return {
            **self.settings.model_dump(mode="json", exclude={"against"}),
            "candidates": len(self.candidates),
            "seconds": round(self.seconds, 3),
            "clusters": {
                "count": len(self.clusters),
                "rows": sum(map(len, self.clusters)),
                "listed": [self._cluster(members) for members in self.clusters[:LISTED]],
            },
            "leaks": [
                {
                    "target_id": target_id,
                    "examples": len(examples),
                    "candidates": len(leaks),
                    "listed": [
                        {"id": self.candidates[row].id, **_likeness(leaks[row], examples)}
                        for row in _listed(leaks)
                    ],
                }
                for target_id, (examples, leaks) in self.leaks.items()
            ],
        }

    def texts(self) -> dict[str, object]:
        """Beginnings of the texts of what the summary lists, in its order: for people to look at."""
        return {
            "clusters": [
                [_beginning(self.candidates[row]) for row in members[:TOLD]]
                for members in self.clusters[:LISTED]
            ],
            "leaks": [
                [
                    {
                        "text": _beginning(self.candidates[row]),
                        "partner_text": _beginning(examples[leaks[row].partner]),
                    }
                    for row in _listed(leaks)
                ]
                for examples, leaks in self.leaks.values()
            ],
        }

    def _cluster(self, members: Sequence[int]) -> dict[str, object]:
        ids = [self.candidates[row].id for row in members[:MEMBERS]]
        return {"representative": ids[0], "rows": len(members), "ids": ids}


def _listed(leaks: dict[int, Leak]) -> list[int]:
    """The most similar first."""
    return sorted(leaks, key=lambda row: -leaks[row].similarity)[:LISTED]


def _beginning(record: Record) -> str:
    text = plain_text(record)
    return text if len(text) <= TOLD_CHARS else text[: TOLD_CHARS - 1] + "…"


def _likeness(leak: Leak, examples: Sequence[Record]) -> Likeness:
    return {
        "partner": examples[leak.partner].id,
        "similarity": round(leak.similarity, 4),
        "run_share": round(leak.run_share, 4),
    }


def found(
    work: Work,
    asked: SelectionWork,
    *,
    wanted: Sequence[Record],
    candidates: Sequence[Record],
    pinned: set[int],
    known: Json | None,
) -> Found | None:
    """Of the usable ``candidates`` against the target's examples and the sets that the settings name.

    Places in ``pinned`` come first in their cluster. None where nobody asked and the pool is large.
    ``known``: what `to_json` made of an earlier look, which counts where it was at the same records.
    """
    settings = asked.spec.near_copies or NearCopies()
    if asked.spec.near_copies is None and len(candidates) > UNASKED:
        return None
    start = time.perf_counter()
    sets = {asked.target_id: wanted}
    sets |= {target_id: _examples(work, target_id) for target_id in settings.against if target_id not in sets}
    looked_at = _looked_at(candidates, sets, pinned)
    if known is not None and known["looked_at"] == looked_at:
        return _from_json(known, settings, candidates, pinned=pinned, sets=sets)
    search = Search.of([plain_text(record) for record in candidates], lambda: work.progress(0))
    texts = [[plain_text(record) for record in examples] for examples in sets.values()]
    clusters, leaks = search.find(texts, settings.threshold)
    by_set = {name: (examples, own) for (name, examples), own in zip(sets.items(), leaks, strict=True)}
    ordered = [_ordered(members, pinned) for members in clusters]
    seconds = time.perf_counter() - start
    return Found(settings, candidates, pinned, ordered, by_set, seconds, looked_at)


def to_json(found: Found) -> Json:
    """What was found, without the records."""
    leaks = {name: [astuple(leak) for leak in own.values()] for name, (_, own) in found.leaks.items()}
    return {
        "looked_at": found.looked_at,
        "clusters": found.clusters,
        "leaks": leaks,
        "seconds": found.seconds,
    }


def _from_json(
    known: Json,
    settings: NearCopies,
    candidates: Sequence[Record],
    *,
    pinned: set[int],
    sets: Mapping[str, Sequence[Record]],
) -> Found:
    leaks = {
        name: (examples, {leak[0]: Leak(*leak) for leak in known["leaks"][name]})
        for name, examples in sets.items()
    }
    clusters, seconds = known["clusters"], known["seconds"]
    return Found(settings, candidates, pinned, clusters, leaks, seconds, known["looked_at"])


def _looked_at(candidates: Sequence[Record], sets: Mapping[str, Sequence[Record]], pinned: set[int]) -> str:
    """Hash of all records that are compared, and of which come first."""
    whole = hashlib.sha256(orjson.dumps(sorted(pinned)))
    for name, side in {"": candidates, **sets}.items():
        whole.update(name.encode())
        for record in side:
            whole.update(record.content_hash.encode())
    return whole.hexdigest()


def content_keys(rows: Records, *, same_text: bool) -> Iterable[str]:
    """What makes two records one content: their hash, or that of their normalised text."""
    if not same_text:
        return rows.column("content_hash")
    return (hashlib.sha256(normalised(plain_text(record)).encode()).hexdigest() for record in rows)


def put(
    artifacts: Artifacts, tenant_id: str, flags: Mapping[str, Flags], candidates: Sequence[Record]
) -> StoredFile:
    """The artifact: a row for every candidate with a flag."""
    named = [record for record in candidates if record.content_hash in flags]
    columns = {
        "id": [record.id for record in named],
        "content_hash": [record.content_hash for record in named],
        **{
            name: [orjson.dumps(flags[record.content_hash][name]).decode() for record in named]
            for name in ("cluster", "leaks")
        },
    }
    stored = artifacts.put_table(f"{tenant_id}/near_copies", pa.table(columns, schema=SCHEMA))
    return stored.reference(rows=len(named))


def _ordered(members: Ints, pinned: set[int]) -> list[int]:
    return sorted(members.tolist(), key=lambda row: (row not in pinned, row))


def _examples(work: Work, target_id: str) -> list[Record]:
    with work.context.database.transaction() as session:
        target = targets.get(session, work.claim.tenant_id, target_id)
        place = target.artifact, target.sha256
    return records.from_table(work.context.artifacts.get_table(*place, records.SCHEMA.names))
