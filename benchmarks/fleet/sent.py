"""A pool whose features were sent, as one matrix beside its records."""

import numpy as np

from benchmarks.fleet import data
from store.accounts import tenants
from store.accounts.quotas import StorageQuota
from store.data import files, pools
from store.jobs import submissions
from store.jobs.requests import SelectionWork
from store.kit.ids import new_id
from store.tables.data import Target
from workers.context import Context


def begun(context: Context, rows: int) -> str:
    """The selection, as it is accepted."""
    matrices = {"target": data.FOLDER / "targets.npy", "pool": data.features(rows)}
    np.save(matrices["target"], data.targets().numpy())
    sides = (("target", data.M), ("pool", rows))
    stored = {role: data.records(context.artifacts, role, count) for role, count in sides}
    quota = StorageQuota.of(context.settings)
    with context.database.transaction() as session:
        tenant, names = tenants.ensure_tenant(session, "fleet"), {}
        for role, path in matrices.items():
            place = files.fresh_place(tenant)
            file = context.artifacts.put_file(place.folder, path)
            names[role] = files.create(session, tenant, place, file, quota=quota, name=path.name).id
        goal = Target(id=new_id("tgt"), tenant_id=tenant, count=data.M)
        goal.artifact, goal.sha256 = stored["target"].path, stored["target"].sha256
        session.add(goal)
        pool = pools.create(session, tenant)
        counts = pools.Counts(received=rows, accepted=rows, rejected=0, duplicates=0)
        pools.append(session, pool, new_id("bat"), stored["pool"], counts=counts, quota=None)
        asked = {"target_id": goal.id, "pool_id": pool.id, "pool_version": pool.version, "k": data.K}
        asked |= {"features": {"kind": "provided"}, "feature_files": names, "spec": {}, "model": "none"}
        work = SelectionWork.model_validate(asked)
        label = submissions.Label()
        return submissions.selection(session, tenant, work, shard_rows=1, label=label).id
