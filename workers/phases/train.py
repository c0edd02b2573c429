"""Phase `train`: LoRA-SFT of a base model on a selection, a file or a pool; the result is a model row."""

import importlib.metadata
import logging
import tarfile
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from sqlalchemy.exc import OperationalError

from store.artifacts import StoredFile
from store.errors import ArtifactCorrupt
from store.jobs import results as kept
from store.jobs import shards
from store.jobs.requests import TrainingWork
from store.models import adapters
from workers.models.held import load_for
from workers.models.loading import LoadedModel
from workers.process import checkpoints, results
from workers.process.attempt import others_wait
from workers.process.heartbeat import GivesWay
from workers.process.work import Outcome, Work
from workers.trainings import data as training_data
from workers.trainings.data import TrainingData
from workers.trainings.lora import Checkpoints, Step, TrainingResult, train_lora

logger = logging.getLogger(__name__)
VERSIONS = ("torch", "transformers", "peft", "trl")
TOLD_SECONDS = 1.0  # between two events with metrics, at least
TOLD_TIMES = 200  # of one training, about at most


def run(work: Work) -> Outcome:
    """Load the examples, train from where an earlier attempt left off, store the adapter's files."""
    asked = training_data.settled(work, work.asked(TrainingWork))
    data = training_data.load(work, asked)
    loaded = load_for(work, asked.base_model, asked.spec.dtype)
    report = Report(work)
    with tempfile.TemporaryDirectory(prefix="evoselect-train-") as name:
        folder = Path(name)
        result = train_lora(
            data.records,
            data.repeats,
            loaded,
            spec=asked.spec,
            out_dir=folder / "adapter",
            seed=asked.seed,
            progress=report.step,
            checkpoints=_checkpoints(work, folder),
        )
        files = _store(work, folder / "adapter")
    model_id = adapters.fresh_id()
    lineage = _lineage(work, asked, loaded=loaded, data=data, result=result)
    return Outcome(
        job_result=results.checked(kept.TrainingResult, {"model_id": model_id, **asdict(result)}),
        save=lambda session: adapters.create(
            session,
            model_id=model_id,
            tenant_id=work.claim.tenant_id,
            training_id=work.claim.job_id,
            base_model=loaded.alias,
            files=files,
            lineage=lineage,
        ),
    )


class Report:
    """Progress after every step; events with the metrics now and then."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._reported_at = 0.0
        self._reported_step = 0

    def step(self, state: Step) -> None:
        """Pass a step on; raises when the work must stop."""
        self._work.progress(state["rows_done"])
        now = time.monotonic()
        far = state["step"] - self._reported_step >= state["steps"] / TOLD_TIMES
        if now - self._reported_at < TOLD_SECONDS or not far:
            return
        self._reported_at, self._reported_step = now, state["step"]
        reported = {name: value for name, value in state.items() if not name.startswith("rows_")}
        try:
            with self._work.context.database.transaction() as session:
                shards.record_event(session, self._work.claim, "training.metrics", reported)
        except OperationalError as error:  # the heartbeat notices whether the database stays away
            logger.warning("metrics are not reported, the database is away: %s", error.orig)


def _checkpoints(work: Work, folder: Path) -> Checkpoints:
    """Where the training goes on from, and where it leaves its state every EVOSELECT_CHECKPOINT_SECONDS.

    Then it gives way to others that wait for a worker: a training may take days.
    """
    every = work.context.settings.checkpoint_seconds
    last = [time.monotonic()]

    def due() -> bool:
        return time.monotonic() - last[0] >= every

    def save_checkpoint(checkpoint: Path) -> None:
        _store_checkpoint(work, checkpoint)
        if others_wait(work):
            raise GivesWay
        last[0] = time.monotonic()

    return Checkpoints(_fetched(work, folder), due, save_checkpoint)


def _store_checkpoint(work: Work, checkpoint: Path) -> None:
    """Store the folder as one file, name it in the shard's row, delete the file before."""
    packed = checkpoint.with_suffix(".tar")
    with tarfile.open(packed, "w") as archive:
        archive.add(checkpoint, arcname=checkpoint.name)
    claim, artifacts = work.claim, work.context.artifacts
    stored = artifacts.put_file(f"{claim.tenant_id}/checkpoints/{claim.shard_id}", packed)
    packed.unlink()
    checkpoints.save_checkpoint(work, stored, name=checkpoint.name)


def _fetched(work: Work, folder: Path) -> Path | None:
    """The folder that an earlier attempt left; None where there is none that can be read."""
    left = work.claim.checkpoint
    if left is None:
        return None
    packed = folder / "checkpoint.tar"
    try:
        work.context.artifacts.fetch_file(left.path, left.sha256, packed)
    except ArtifactCorrupt as error:
        logger.warning("the training begins anew: %s", error)
        return None
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    packed.unlink()
    return folder / str(left.name)


def _store(work: Work, folder: Path) -> dict[str, StoredFile]:
    files = {}
    for path in sorted(folder.iterdir()):
        stored = work.context.artifacts.put_file(f"{work.claim.tenant_id}/models", path)
        files[path.name] = stored.reference(size=stored.size)
    return files


def _lineage(
    work: Work, asked: TrainingWork, *, loaded: LoadedModel, data: TrainingData, result: TrainingResult
) -> dict[str, object]:
    """From the model back to what it was made of; the records lie in a file."""
    stored = work.context.artifacts.put_table(f"{work.claim.tenant_id}/lineage", data.table())
    return {
        "base_model": loaded.alias,
        "base_fingerprint": loaded.fingerprint,
        "parent_model_id": asked.base_model if asked.base_model != loaded.alias else None,
        **asked.source(),
        **({} if asked.anchors is None else {"anchors": asked.anchors.model_dump(mode="json")}),
        "data_sha256": data.digest(),
        "records": len(data.records),
        "spec": asked.spec.model_dump(),
        "seed": asked.seed,
        "steps": result.steps,
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
        "artifacts": {"records": stored.reference().stored()},
    }
