"""A stored file as a response: whole, one range of its bytes, or 304 where the client has it already."""

import os
import re
from collections.abc import Iterator
from typing import IO

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from service.http.conditional import matches
from service.http.problems import Problem

PIECE = 2**20  # bytes read at a time
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def serve(request: Request, stream: IO[bytes], *, size: int, sha256: str, media_type: str) -> Response:
    """The stream's bytes as the request's Range, If-Range and If-None-Match ask; closes the stream."""
    etag = f'"{sha256}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    headers |= {"X-Content-Type-Options": "nosniff", "Content-Disposition": "attachment"}
    known = request.headers.get("if-none-match")
    if known is not None and matches(known, etag):
        stream.close()
        return Response(status_code=304, headers=headers)
    start, stop, status = 0, size, 200
    asked = request.headers.get("range")
    if asked and request.headers.get("if-range", etag) == etag and (found := _range(asked, size)):
        (start, stop), status = found, 206
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    headers["Content-Length"] = str(stop - start)
    return StreamingResponse(_pieces(stream, start, stop), status, headers, media_type)


def serve_spool(stream: IO[bytes], media_type: str) -> Response:
    """All of an open file; closes it."""
    size = stream.seek(0, os.SEEK_END)
    headers = {"Content-Length": str(size)}
    return StreamingResponse(_pieces(stream, 0, size), 200, headers, media_type)


def _range(asked: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None for what a server may ignore, such as several ranges."""
    match = RANGE.fullmatch(asked.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= stop:
        detail = f"Range {asked!r:.60} is outside of the file's {size} bytes; ask for less."
        raise Problem(416, "range_not_satisfiable", detail, headers={"Content-Range": f"bytes */{size}"})
    return start, stop


def _pieces(stream: IO[bytes], start: int, stop: int) -> Iterator[bytes]:
    with stream:
        stream.seek(start)
        while start < stop and (piece := stream.read(min(PIECE, stop - start))):
            start += len(piece)
            yield piece
