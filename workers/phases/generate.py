"""Phase `generate`: the candidates of one round become a pool of their own."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import orjson
from sqlalchemy.orm import Session

from evoselect.spec.loop import OpenAIGenerator, PoolGenerator
from evoselect.spec.verifier import Called
from store.accounts import quotas
from store.accounts.quotas import StorageQuota
from store.data import pools, targets
from store.errors import ArtifactCorrupt, Invalid
from store.jobs import lifecycle as jobs
from store.jobs.requests import LoopWork
from store.kit import egress
from store.kit.egress import Egress
from store.kit.ids import new_id
from store.kit.json import Json
from store.loops import advance as loops
from store.loops import steps as loop_steps
from store.loops.plan import Spent
from store.loops.results import Generated, Verified
from store.models import generators as endpoints
from store.models.generators import Endpoint
from store.records.record import Record, from_table, plain_text
from store.tables.states import JobKind
from workers.generators import pool as drawing
from workers.generators.candidates import Stored, earlier, store
from workers.generators.chat import Chat
from workers.generators.failures import hardest
from workers.generators.openai import Generation, State
from workers.process import checkpoints
from workers.process.attempt import others_wait
from workers.process.heartbeat import GivesWay
from workers.process.work import Outcome, Work
from workers.verifiers.checking import State as CheckState
from workers.verifiers.rounds import Check


@dataclass(frozen=True, slots=True)
class Left:
    """What a generation and the check of it have so far, as a later attempt finds it."""

    generated: State = field(default_factory=State)
    verified: CheckState = field(default_factory=CheckState)

    def to_json(self) -> Json:
        """As a later attempt reads it; an earlier release reads the generation alone."""
        return {**self.generated.to_json(), "verified": self.verified.to_json()}

    @classmethod
    def from_json(cls, value: Json) -> "Left":
        """The inverse of to_json; what an earlier release left has nothing verified."""
        checked = value.get("verified")
        return cls(State.from_json(value), CheckState.from_json(checked) if checked else CheckState())


def run(work: Work) -> Outcome:
    """Draw or ask for the candidates, have them checked, store them, hand them to the round."""
    asked = work.asked(LoopWork)
    spec = asked.spec
    number = int(work.claim.payload["round"])
    left = _left(work)
    if isinstance(spec.generator, PoolGenerator):
        records, counts = drawing.draw(work, spec.generator, number, spec.seed)
    else:
        records, counts = _asked(work, asked, number, left)
    if spec.verifier is not None:
        records, verified = _checked(work, asked, number, records=records, counts=counts, left=left)
        counts = counts.model_copy(update={"candidates": len(records), "verifier": verified})
    stored = store(work, records)
    if stored is not None:
        _require_quota(work, stored)
    return Outcome(counts, save=partial(_hand_over, work, number=number, stored=stored, counts=counts))


def _require_quota(work: Work, stored: Stored) -> None:
    """Raise OverQuota, which fails the loop, where the tenant may not store the candidates."""
    records, quota = stored.counts.stored, StorageQuota.of(work.context.settings)
    size = pools.batch_size(stored.artifact.size, records)
    with work.context.database.transaction() as session:
        quotas.require(session, work.claim.tenant_id, quota, records=records, size=size)


def _hand_over(
    work: Work, session: Session, *, number: int, stored: Stored | None, counts: Generated
) -> None:
    claim = work.claim
    pool = pools.create(session, claim.tenant_id, name=f"{claim.job_id} round {number}")
    if stored is not None:
        pools.append(
            session, pool, new_id("bat"), stored.artifact, counts=stored.counts, quota=None, keys=stored.keys
        )
    loops.generated(session, claim.job_id, number, pool_id=pool.id, version=pool.version, counts=counts)


def _asked(work: Work, asked: LoopWork, number: int, left: Left) -> tuple[list[Record], Generated]:
    spec, generator = asked.spec, asked.spec.generator
    assert isinstance(generator, OpenAIGenerator)
    settings = work.context.settings
    place = Endpoint(str(generator.url))
    if generator.endpoint is not None:
        place = endpoints.find(generator.endpoint, settings.endpoints)
    seeds = _examples(work, asked.target_id)
    measured = [asked.evaluation_target_id, *filter(None, [spec.guard_target_id])]
    held_out = [record for target_id in measured for record in _examples(work, target_id)]
    contents, texts = earlier(work, number)
    shown: list[Record] = []
    if generator.prompts_from == "failures" and number > 1:
        apart = {record.content_hash for record in held_out}
        shown = hardest(work, number, seeds, apart=apart, shown=generator.examples)
    generation = Generation(
        generator,
        seeds,
        contents | {record.content_hash for record in [*seeds, *held_out]},
        spec.seed + number - 1,
        left.generated,
        spec.stop,
        _spent(work),
        there=[*texts, *map(plain_text, [*seeds, *held_out])],
        hardest=shown,
    )
    generation.known |= {record.content_hash for record in generation.state.records}
    chat = Chat(
        place.url,
        place.key(),
        Egress(allowed=egress.networks(settings.generator_networks)),
        seconds=generator.seconds,
        per_minute=generator.requests_per_minute,
    )
    try:
        step = _step(work, generator.seconds, lambda: left.to_json())
        generation.run(chat, step, lambda state: _store_checkpoint(work, left.to_json()))
    finally:
        chat.close()
    counts = generation.summary()
    if not generation.state.records and number == 1:  # later on it has no more to give, which ends the loop
        raise Invalid(f"the generator made no candidate: {counts.stored()}", code="generator_no_candidates")
    return generation.state.records, counts


def _checked(
    work: Work, asked: LoopWork, number: int, *, records: list[Record], counts: Generated, left: Left
) -> tuple[list[Record], Verified]:
    """The candidates that the verifier could score."""
    spec, before = asked.spec, _spent(work)
    assert spec.verifier is not None
    _store_checkpoint(work, left.to_json())  # what was generated is paid for
    seconds = spec.verifier.seconds if isinstance(spec.verifier, Called) else 0.0
    step = _step(work, seconds, left.to_json)
    check = Check(
        spec,
        number,
        target=_examples(work, asked.target_id),
        spent=replace(
            before,
            generated_tokens=before.generated_tokens + counts.tokens,
            cost=before.cost + counts.spent,
        ),
        state=left.verified,
        step=lambda: step(len(records)),
        keep=lambda state: _store_checkpoint(work, left.to_json()),
    )
    return check.run(work.context.settings, records)


def _step(work: Work, seconds: float, state: Callable[[], Json]) -> Callable[[int], None]:
    """What is called all the time: passes progress on, and gives way to others that wait for a worker.

    Not before an answer of so many seconds had its time to come: those that are on their way are lost.
    """
    settings = work.context.settings
    due = [time.monotonic() + max(settings.checkpoint_seconds, seconds)]

    def step(done: int) -> None:
        work.progress(done)
        if time.monotonic() < due[0]:
            return
        due[0] = time.monotonic() + settings.poll_seconds
        if others_wait(work):
            _store_checkpoint(work, state())
            raise GivesWay

    return step


def _examples(work: Work, target_id: str) -> list[Record]:
    with work.context.database.transaction() as session:
        target = targets.get(session, work.claim.tenant_id, target_id)
    return from_table(work.context.artifacts.get_table(target.artifact, target.sha256))


def _spent(work: Work) -> Spent:
    """By the rounds before."""
    with work.context.database.transaction() as session:
        loop = jobs.get(session, work.claim.tenant_id, work.claim.job_id, JobKind.LOOP)
        return loop_steps.spent(session, loop, [])


def _store_checkpoint(work: Work, state: Mapping[str, object]) -> None:
    """Leave what there is so far to a later attempt."""
    claim, artifacts = work.claim, work.context.artifacts
    folder = f"{claim.tenant_id}/generated/{claim.shard_id}"
    stored = artifacts.put_bytes(folder, orjson.dumps(state), ".json")
    checkpoints.save_checkpoint(work, stored)


def _left(work: Work) -> Left:
    """What an earlier attempt left."""
    left = work.claim.checkpoint
    if left is None:
        return Left()
    try:
        return Left.from_json(orjson.loads(work.context.artifacts.get_bytes(left.path, left.sha256)))
    except ArtifactCorrupt:
        return Left()
