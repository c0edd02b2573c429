"""Files: small ones in one request, large ones in parts that survive a cut connection."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from evoselect_client.core.calls import BYTES, OUTAGE_SECONDS, Call, get, post_bytes, segment
from evoselect_client.core.nouns import Nouns
from evoselect_client.core.resource import Bound, Resource, Sent
from evoselect_client.core.response import WithRaw
from evoselect_client.core.steps import AsyncRaw, Mode, Raw, Steps, Verb, Work
from evoselect_client.core.watch.progress import Count, counter
from evoselect_client.data.saving import save_body, sha256_of
from evoselect_client.errors import NotFoundError

T = TypeVar("T")
PART_BYTES = 16 * 2**20  # held in memory while it is sent; what a cut connection costs


class File(Bound[Any]):
    """Uploaded bytes, such as a feature matrix."""

    name: str | None = None
    size: int
    sha256: str
    found: bool = False
    """Of an upload: the service had the bytes already, and nothing was sent."""
    created_at: datetime


class FilePart(Resource):
    """A part that has arrived."""

    number: int
    size: int
    sha256: str


class FileUpload(Bound[Any]):
    """A file that comes in parts; `file_id` once it is completed."""

    name: str | None = None
    status: str
    file_id: str | None = None
    parts: list[FilePart] = []
    expires_at: datetime


class Files(Nouns[File, Mode]):
    """Uploaded bytes that other requests refer to: records, feature matrices."""

    path, model = "/v1/files", File
    with_raw_response: WithRaw[Files[Raw], Files[AsyncRaw]] = WithRaw()

    @Verb
    def create(
        self,
        path: str | os.PathLike[str],
        *,
        upload_id: str | None = None,
        part_bytes: int = PART_BYTES,
        progress: bool | Callable[[int], None] = False,
    ) -> Steps[File]:
        """Upload a file; its name's suffix says what it is.

        Where the service has the same bytes already, that file is returned (`found`) and nothing is sent.
        What is larger than one part goes as a resumable upload. Parts are sent again by themselves, through
        outages of up to two minutes; after that, calling again with the `upload_id` of `uploads.create`
        sends only what is missing. `progress` is called with the number of bytes sent so far.
        """
        return (
            yield from upload_file(
                self.session,
                Path(path),
                upload_id=upload_id,
                part_bytes=part_bytes,
                show=counter(progress, "bytes"),
            )
        )

    @Verb
    def content(self, id: str) -> Steps[bytes]:
        """The bytes of a file."""
        call = Call("GET", f"{self.path}/{segment(id)}/content", bytes, accept=BYTES)
        return (yield from self.session.send(call))

    @Verb
    def save(self, id: str, path: str | os.PathLike[str]) -> Steps[Path]:
        """Write a file's bytes to a path, a piece in memory at a time; returns the path.

        Raises DamagedDownloadError where what came is not what the service named.
        """
        file = yield from self._get(f"{self.path}/{segment(id)}")
        call = Call("GET", f"{self.path}/{segment(id)}/content", bytes, accept=BYTES)
        return (yield from save_body(self.session, call, Path(path), file.sha256))

    @Verb
    def delete(self, id: str) -> Steps[None]:
        """Delete a file and its bytes; ConflictError while a job reads it."""
        yield from self._delete(f"{self.path}/{segment(id)}", dict)


class Uploads(Nouns[FileUpload, Mode]):
    """Files that come in parts."""

    path, model = "/v1/uploads", FileUpload
    with_raw_response: WithRaw[Uploads[Raw], Uploads[AsyncRaw]] = WithRaw()

    @Verb
    def create(self, *, name: str | None = None) -> Steps[FileUpload]:
        """Start an upload; it expires after 24 hours."""
        return (yield from self._post(self.path, {"name": name}))

    @Verb
    def put_part(self, id: str, number: int, content: bytes) -> Steps[None]:
        """Send one part; sending the same bytes again is harmless."""
        digest = yield Work(partial(_sha256, content))
        yield from self.session.send(_part(id, number, content, digest))

    @Verb
    def complete(self, id: str, *, sha256: str | None = None) -> Steps[FileUpload]:
        """Join the parts into a file; its id is `file_id`."""
        return (yield from self._post(f"{self.path}/{segment(id)}/complete", {"sha256": sha256}))

    @Verb
    def cancel(self, id: str) -> Steps[FileUpload]:
        """Drop the upload and its parts."""
        return (yield from self._post(f"{self.path}/{segment(id)}/cancel", {}))

    def _start(self, name: str, upload_id: str | None) -> Steps[FileUpload]:
        """A new upload, or the one to go on with."""
        if upload_id:
            return (yield from self._get(f"{self.path}/{segment(upload_id)}"))
        return (yield from self._post(self.path, {"name": name}))

    def _send_file(
        self, upload: FileUpload, path: Path, *, part_bytes: int, show: Count, digest: str | None
    ) -> Steps[FileUpload]:
        """Send the parts that have not arrived, then complete; ValueError when the file is another one.

        `digest` is the file's, None where it is not known yet.
        """
        arrived = {part.number: part.sha256 for part in upload.parts}
        whole, sent, number = hashlib.sha256(), 0, 0
        pieces = _pieces(path, part_bytes, None if digest else whole)
        while piece := (yield Work(partial(next, pieces, None))):
            content, own = piece
            number += 1
            known = arrived.get(number)
            if known is None:
                yield from self.session.send(_part(upload.id, number, content, own))
            elif known != own:
                raise ValueError(f"part {number} of upload {upload.id} came from other bytes than {path}")
            sent += len(content)
            show(sent)
        show(None)
        body = {"sha256": digest or whole.hexdigest()}
        return (yield from self._post(f"{self.path}/{segment(upload.id)}/complete", body))


def upload_file(
    session: Any,
    path: Path,
    *,
    show: Count,
    upload_id: str | None = None,
    part_bytes: int = PART_BYTES,
    again: bool = False,
) -> Steps[File]:
    """See Files.create; with `again` the bytes are sent though the service may have them."""
    files, uploads = Files[Any](session), Uploads[Any](session)
    digest = None
    if upload_id is None and not again:
        digest = yield Work(partial(sha256_of, path))
        if known := (yield from _known(files, digest)):
            return known
    if upload_id is None and path.stat().st_size <= part_bytes:
        content = yield Work(path.read_bytes)
        call = post_bytes(files.path, files._decode, content, name=path.name)
        return (yield from session.send(call))  # type: ignore[no-any-return]
    upload = yield from uploads._start(path.name, upload_id)
    done = yield from uploads._send_file(upload, path, part_bytes=part_bytes, show=show, digest=digest)
    return (yield from files._get(f"{files.path}/{segment(str(done.file_id))}"))


def _known(files: Files[Any], digest: str) -> Steps[File | None]:
    """The file that the service has with these bytes."""
    page = yield from files.session.send(get(files.path, Sent[Any].model_validate, sha256=digest, limit=1))
    same = [one for one in page.data if one["sha256"] == digest]  # an older service gives any file
    return files._decode({**same[0], "found": True}) if same else None


def with_file(session: Any, path: Path, use: Callable[[str], Steps[T]]) -> Steps[T]:
    """What `use` makes of the file's id; a file that was found and is deleted meanwhile is sent again."""
    show = counter(False, "bytes")
    file = yield from upload_file(session, path, show=show)
    try:
        return (yield from use(file.id))
    except NotFoundError as error:
        if not file.found or file.id not in str(error):
            raise
    file = yield from upload_file(session, path, show=show, again=True)
    return (yield from use(file.id))


def _part(id: str, number: int, content: bytes, digest: str) -> Call[dict[str, Any]]:
    headers = {"Content-Type": "application/octet-stream"}
    path = f"{Uploads.path}/{segment(id)}/parts/{segment(str(number))}"
    return Call(
        "PUT",
        path,
        dict,
        {"sha256": digest},
        content=(content,),
        headers=headers,
        outage_seconds=OUTAGE_SECONDS,
    )


def _pieces(path: Path, size: int, whole: Any | None) -> Iterator[tuple[bytes, str]]:
    """Parts with their hashes, `whole` updated if there is one: within the step that reads, not on a loop."""
    with path.open("rb") as file:
        while piece := file.read(size):
            if whole is not None:
                whole.update(piece)
            yield piece, _sha256(piece)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
