"""Which shards a job needs, and where workers look for them: pure."""

from store.data.sources import Source
from store.jobs.plans import FIRST_PHASE, NEXT_PHASE, QUEUE, FeaturePart, feature_shards, next_phase, places
from store.tables.states import JobKind

SOURCES = [Source("target", "t", "0", 3), Source("pool", "a", "1", 5), Source("pool", "b", "2", 1)]


def test_every_row_of_every_file_is_in_one_shard_of_each_checkpoint() -> None:
    plans = feature_shards(SOURCES, 2, checkpoints=2)
    parts = [FeaturePart.model_validate(plan.payload) for plan in plans]
    for at in (0, 1):
        covered = [
            (part.artifact, row)
            for part in parts
            if part.checkpoint == at
            for row in range(part.start, part.stop)
        ]
        assert sorted(covered) == [
            (s.artifact, row) for s in sorted(SOURCES, key=lambda s: s.artifact) for row in range(s.rows)
        ]
    assert [plan.index for plan in plans] == list(range(len(plans)))
    assert all(plan.rows == part.stop - part.start <= 2 for plan, part in zip(plans, parts, strict=True))
    assert [part.checkpoint for part in parts] == sorted(part.checkpoint for part in parts)


def test_one_shard_speaks_for_each_role() -> None:
    parts = [FeaturePart.model_validate(plan.payload) for plan in feature_shards(SOURCES, 2)]
    assert [(part.role, part.artifact, part.start) for part in parts if part.first] == [
        ("target", "t", 0),
        ("pool", "a", 0),
    ]
    assert {part.role: part.of for part in parts} == {"target": 3, "pool": 6}


def test_each_phase_has_a_queue_and_each_kind_a_first_phase() -> None:
    assert set(FIRST_PHASE) == set(JobKind)
    following = [phases for kind in NEXT_PHASE for phases in NEXT_PHASE[kind].items()]
    assert {*FIRST_PHASE.values(), *(phase for pair in following for phase in pair)} <= set(QUEUE)
    assert next_phase(JobKind.TRAINING, "train", 5) == []
    (after,) = next_phase(JobKind.SELECTION, "features", 5)
    assert (after.phase, after.queue, after.rows) == ("transport", "select", 5)
    (after,) = next_phase(JobKind.INDEXING, "features", 5)
    assert (after.phase, after.queue, after.rows) == ("index", "select", 5)


def test_shards_that_lie_in_a_former_queue_are_still_taken() -> None:
    assert places(["generate", "ops"], ["generate", "advance"]) == [
        ("generate", ("generate",)),
        ("ops", ("generate",)),
        ("ops", ("advance",)),
    ]
    assert places(["train"], ["features"]) == []
