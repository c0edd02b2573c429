"""The demo's records as selection problems: real gradient features, conditioned as a job conditions them."""

import torch

from benchmarks.demo.data import TARGET_SET, build
from benchmarks.instances import Instance
from evoselect.representations.shards import condition
from evoselect.select import Texts
from evoselect.spec.features import FeatureSpec
from store.models.allow_list import DEFAULT_ALIAS
from store.records.record import Record, parse_record
from workers.features.compute import compute_features
from workers.models.loading import load

SHARE = 10  # a tenth of the pool is selected


def demo_instances() -> dict[str, tuple[Instance, int]]:
    """Three splits with the budget k.

    Half of the target's questions seen and half unseen, the other way round, and all of them seen with the
    test questions unseen.
    """
    data, spec = build(), FeatureSpec()
    sides = [[parse_record(row) for row in side] for side in (data.pool, data.target, data.test)]
    loaded = load(DEFAULT_ALIAS)
    pool, target, test = (
        torch.from_numpy(compute_features(side, loaded, spec, progress=lambda done: None).values)
        for side in sides
    )
    candidates, own = condition(pool, torch.cat([target, test]), spec)
    on_target = torch.tensor([row["metadata"]["source"] == TARGET_SET for row in data.pool])
    texts = [[_text(record) for record in side] for side in sides]
    half, whole = len(target) // 2, len(target)
    splits = {
        "demo, first half": (slice(half), slice(half, whole)),
        "demo, second half": (slice(half, whole), slice(half)),
        "demo, test questions": (slice(whole), slice(whole, None)),
    }
    return {
        name: (
            Instance(
                candidates,
                own[seen],
                own[unseen],
                on_target,
                texts=Texts(texts[0], texts[1][seen]),
            ),
            len(candidates) // SHARE,
        )
        for name, (seen, unseen) in splits.items()
    }


def _text(record: Record) -> str:
    return f"{record.prompt}\n{record.completion}"
