"""Files: small ones in one request, large ones in parts that survive a cut connection."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from evoselect_client.calls import Call, post, post_bytes
from evoselect_client.models import File, FileUpload
from evoselect_client.resources import Nouns

PART_BYTES = 16 * 2**20  # held in memory while it is sent; what a cut connection costs


class Files(Nouns[File]):
    """Uploaded bytes that other requests refer to: records, feature matrices."""

    path, model = "/v1/files", File

    def create(
        self,
        path: "str | os.PathLike[str]",
        *,
        upload_id: str | None = None,
        part_bytes: int = PART_BYTES,
        progress: Callable[[int], None] | None = None,
    ) -> File:
        """Upload a file; its name's suffix says what it is.

        What is larger than one part goes as a resumable upload. Parts are sent again by themselves; when all
        tries fail, calling again with the `upload_id` of `uploads.create` sends only what is missing.
        `progress` is called with the number of bytes sent so far.
        """
        source = Path(path)
        if upload_id is None and source.stat().st_size <= part_bytes:
            content = source.read_bytes()
            return self._client.send(post_bytes(self.path, self._decode, content, name=source.name))
        uploads = self._client.uploads
        upload = uploads.retrieve(upload_id) if upload_id else uploads.create(name=source.name)
        done = uploads.send_file(upload, source, part_bytes=part_bytes, progress=progress)
        return self.retrieve(str(done.file_id))

    def delete(self, id: str) -> None:
        """Delete a file and its bytes; ConflictError while a job reads it."""
        self._client.send(Call("DELETE", f"{self.path}/{id}", dict))


class Uploads(Nouns[FileUpload]):
    """Files that come in parts."""

    path, model = "/v1/uploads", FileUpload

    def create(self, *, name: str | None = None) -> FileUpload:
        """Start an upload; it expires after 24 hours."""
        return self._create({"name": name})

    def put_part(self, id: str, number: int, content: bytes) -> None:
        """Send one part; sending the same bytes again is harmless."""
        digest = hashlib.sha256(content).hexdigest()
        headers = {"Content-Type": "application/octet-stream"}
        path = f"{self.path}/{id}/parts/{number}"
        self._client.send(Call("PUT", path, dict, {"sha256": digest}, content=content, headers=headers))

    def complete(self, id: str, *, sha256: str | None = None) -> FileUpload:
        """Join the parts into a file; its id is `file_id`."""
        return self._client.send(post(f"{self.path}/{id}/complete", self._decode, {"sha256": sha256}))

    def cancel(self, id: str) -> FileUpload:
        """Drop the upload and its parts."""
        return self._client.send(post(f"{self.path}/{id}/cancel", self._decode, {}))

    def send_file(
        self,
        upload: FileUpload,
        path: Path,
        *,
        part_bytes: int = PART_BYTES,
        progress: Callable[[int], None] | None = None,
    ) -> FileUpload:
        """Send the parts that have not arrived, then complete; ValueError when the file is another one."""
        arrived = {part.number: part.sha256 for part in upload.parts}
        whole, sent = hashlib.sha256(), 0
        for number, content in enumerate(_pieces(path, part_bytes), 1):
            whole.update(content)
            known = arrived.get(number)
            if known is None:
                self.put_part(upload.id, number, content)
            elif known != hashlib.sha256(content).hexdigest():
                raise ValueError(f"part {number} of upload {upload.id} came from other bytes than {path}")
            sent += len(content)
            if progress:
                progress(sent)
        return self.complete(upload.id, sha256=whole.hexdigest())


def _pieces(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(size):
            yield piece
