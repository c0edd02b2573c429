"""Models: base models that may be used, and adapters that trainings made."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from evoselect_client.core.calls import BYTES, Call, get, segment
from evoselect_client.core.labelled import Labelled, LabelledNouns
from evoselect_client.core.resource import Resource
from evoselect_client.core.response import WithRaw
from evoselect_client.core.steps import AsyncRaw, Mode, Raw, Steps, Verb, Work
from evoselect_client.data.saving import save_body, sha256_of
from evoselect_client.errors import EvoSelectError


class ModelFile(Resource):
    """One file of an adapter."""

    sha256: str
    size: int
    """In bytes."""


class Model(Labelled[Mode]):
    """A base model that may be used, or an adapter that a training made."""

    name: str | None = None
    metadata: dict[str, Any] = {}
    base_model: str | None = None
    training_id: str | None = None
    lineage: dict[str, Any] = {}
    files: dict[str, ModelFile] = {}
    created_at: datetime | None = None


class Models(LabelledNouns[Model[Mode], Mode]):
    """Base models that may be used, and trained adapters."""

    path, model = "/v1/models", Model
    with_raw_response: WithRaw[Models[Raw], Models[AsyncRaw]] = WithRaw()

    @Verb
    def content(self, id: str, *, file: str | None = None) -> Steps[bytes]:
        """A file of an adapter, by default its weights as safetensors."""
        call = Call(
            "GET", f"{self.path}/{segment(id)}/content", bytes, {"file": file} if file else {}, accept=BYTES
        )
        return (yield from self.session.send(call))

    @Verb
    def save(self, id: str, folder: str | Path) -> Steps[Path]:
        """Write an adapter's files into a folder, which is made, as PEFT reads them; returns the folder.

        Files that are there already with the right content are not fetched again, others are replaced. Raises
        DamagedDownloadError where what came is not what the service named, EvoSelectError for a base model.
        """
        model = yield from self._get(f"{self.path}/{segment(id)}")
        if not model.files:
            raise EvoSelectError(f"{id} is a base model: only adapters that a training made can be saved")
        folder = Path(folder)
        yield Work(lambda: folder.mkdir(parents=True, exist_ok=True))
        for name, file in model.files.items():
            path = folder / Path(name).name
            if (yield Work(partial(_is_there, path, file))):
                continue
            call = Call("GET", f"{self.path}/{segment(id)}/content", bytes, {"file": name}, accept=BYTES)
            yield from save_body(self.session, call, path, file.sha256)
        return folder

    @Verb
    def delete(self, id: str) -> Steps[None]:
        """Delete an adapter; ConflictError while a job that has not ended, or another model, needs it."""
        yield from self._delete(f"{self.path}/{segment(id)}", bool)

    @Verb
    def lineage(self, id: str, *, after: int = 0, limit: int = 1000) -> Steps[dict[str, Any]]:
        """The trainings that led to an adapter and, after the first `after`, the records that they learnt."""
        call = get(f"{self.path}/{segment(id)}/lineage", dict, after=after, limit=limit)
        found: dict[str, Any] = yield from self.session.send(call)
        return found


def _is_there(path: Path, file: ModelFile) -> bool:
    return path.is_file() and sha256_of(path) == file.sha256
