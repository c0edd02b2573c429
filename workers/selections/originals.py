"""The rows of selected candidates as they came."""

import pyarrow as pa
import pyarrow.compute as pc

from store.data import pools
from workers.process.work import Work

COLUMNS = ("content_hash", "original")


def originals_of(work: Work, contents: set[str]) -> dict[str, str]:
    """Each row's JSON by content hash, of those in the selection's pool whose JSON was kept."""
    request, tenant = work.claim.request, work.claim.tenant_id
    with work.context.database.transaction() as session:
        pool = pools.get(session, tenant, request["pool_id"])
        sources = pools.sources(session, pool, request["pool_version"])
    wanted = pa.array(sorted(contents), pa.string())
    found: dict[str, str] = {}
    for source in sources:
        table = work.context.artifacts.get_table(source.artifact, source.sha256, COLUMNS)
        if "original" in table.column_names:
            rows = table.filter(pc.is_in(table["content_hash"], wanted)).drop_null()
            found |= zip(*(rows[name].to_pylist() for name in COLUMNS), strict=True)
        work.progress(0)
    return found
