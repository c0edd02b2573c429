"""Models: base models that may be used, and adapters that trainings made."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

from evoselect_client.core.calls import BYTES, Call, get, segment
from evoselect_client.core.nouns import Nouns
from evoselect_client.core.resource import Bound, Resource
from evoselect_client.core.steps import Mode, Steps, Verb
from evoselect_client.errors import DamagedDownloadError, EvoSelectError


class ModelFile(Resource):
    """One file of an adapter."""

    sha256: str
    size: int
    """In bytes."""


class Model(Bound[Any]):
    """A base model that may be used, or an adapter that a training made."""

    base_model: str | None = None
    training_id: str | None = None
    lineage: dict[str, Any] = {}
    files: dict[str, ModelFile] = {}
    created_at: datetime | None = None


class Models(Nouns[Model, Mode]):
    """Base models that may be used, and trained adapters."""

    path, model = "/v1/models", Model

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
        folder.mkdir(parents=True, exist_ok=True)
        for name, file in model.files.items():
            path = folder / Path(name).name
            if path.is_file() and _sha256(path.read_bytes()) == file.sha256:
                continue
            call = Call("GET", f"{self.path}/{segment(id)}/content", bytes, {"file": name}, accept=BYTES)
            content = yield from self.session.send(call)
            if _sha256(content) != file.sha256:
                raise DamagedDownloadError(f"{name} of {id} came damaged ({len(content)} bytes): call again")
            part = path.with_name(f".{path.name}.part")
            part.write_bytes(content)
            part.replace(path)
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


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
