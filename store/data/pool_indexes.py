"""The index of a pool: one row, and the files by which records with similar features are found."""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evoselect.spec.features import FeatureSpec
from store.accounts import quotas
from store.accounts.quotas import StorageQuota
from store.artifacts import StoredFile
from store.data import pools
from store.kit.json import Json
from store.tables.data import PoolIndex

FORMAT = 1  # raise with every change of the files: an index of another format is made anew
GROWTH = 2  # times the rows that conditioning was fitted to: beyond that it is fitted again
NO_ROWS = {
    "batch_tokens",
    "match",
    "on_bad_row",
    "allow_partial",
    "keep_features",
    "funnel",
}  # change no row here


class Part(BaseModel):
    """Rows of the pool that follow each other, in one file: see store.data.nearest."""

    model_config = ConfigDict(frozen=True)

    first: int
    """Rows of the pool before them."""
    rows: int
    usable: int
    """Those of them that have features."""
    file: StoredFile


class IndexFiles(BaseModel):
    """All that an index is made of."""

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    settings: Json
    """Of the features: equal where a later version of the pool can go on from this one."""
    sketch: str
    """Fingerprint of the features: only equal ones may be compared."""
    kind: str
    """What is compared: hidden, gradient or provided."""
    width: int
    fitted: int
    """Rows of the pool that conditioning and cells were fitted to."""
    conditioner: StoredFile
    centroids: StoredFile | None = None
    """(cells, width) float32, where rows lie by cells; None where every row is looked at."""
    cells: int = 1
    probes: int = 1
    """Cells that a search looks into."""
    recall: float | None = None
    """Measured share of the ten nearest that a search finds; None where it looks at every row."""
    statuses: tuple[str, ...]
    """What the numbers of the parts' rows without features mean."""
    parts: tuple[Part, ...]
    copies: StoredFile | None = None
    """(rows,) int32: the cluster of near-copies of each row, -1 without; None where nobody looked."""

    @property
    def rows(self) -> int:
        """Of the pool."""
        return sum(part.rows for part in self.parts)

    @property
    def usable(self) -> int:
        """Rows with features."""
        return sum(part.usable for part in self.parts)

    @property
    def size(self) -> int:
        """Bytes of the files."""
        return sum(file.size or 0 for file in self.every_file())

    def every_file(self) -> Iterator[StoredFile]:
        """Each once."""
        yield self.conditioner
        yield from (part.file for part in self.parts)
        yield from (file for file in (self.centroids, self.copies) if file is not None)


def settings_of(model: str, features: FeatureSpec) -> Json:
    """What decides the rows of an index, beside the records."""
    return {"model": model, "features": features.model_dump(mode="json", exclude=NO_ROWS)}


def find(session: Session, pool_id: str) -> PoolIndex | None:
    """The index that the pool has."""
    return session.scalar(select(PoolIndex).where(PoolIndex.pool_id == pool_id))


def goes_on(known: PoolIndex | None, settings: Json, *, version: int, rows: int) -> bool:
    """Whether an index of the pool at `version`, with so many `rows`, needs new rows alone."""
    if known is None or known.version > version or known.files.get("format") != FORMAT:
        return False
    files = IndexFiles.model_validate(known.files)
    return files.settings == settings and rows <= GROWTH * files.fitted


def replace(
    session: Session,
    tenant_id: str,
    pool_id: str,
    files: IndexFiles,
    *,
    job_id: str,
    version: int,
    quota: StorageQuota,
) -> None:
    """Make this the index of the pool, unless a later version has one by now; raises NotFound, OverQuota."""
    pool = pools.lock(session, tenant_id, pool_id)
    known = find(session, pool_id)
    if known is not None and known.version > version:
        return
    more = files.size - (known.size if known else 0)
    if more > 0:
        quotas.take(session, tenant_id, quota, size=more)
    pool.size += more
    row = known or PoolIndex(pool_id=pool_id, tenant_id=tenant_id)
    row.job_id, row.version, row.rows, row.size = job_id, version, files.rows, files.size
    row.files = files.model_dump(mode="json")
    row.created_at = func.clock_timestamp()
    session.add(row)
    session.flush()
