"""Content-Encoding gzip and zstd, decoded within bounds: expanded size, ratio, frames, the window of zstd.

`Decoder` turns compressed pieces into plain ones of bounded size; `Decoding` is the layer that puts it around
request bodies, after authentication.
"""

import sys
import zlib
from collections.abc import Iterator
from typing import Protocol

from service.http.problems import Problem

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE = 2**20  # bytes that come out at a time
MAX_RATIO = 200  # of plain to compressed bytes; text reaches 5 to 20
FREE = 2**20  # plain bytes that no ratio is asked of: a short body may repeat itself
SLICE = 8 * 1024  # bytes decoded in one go: what follows a frame's end is copied, and frames can be short
FREE_FRAMES = 1000  # that may have any length
FRAME_BYTES = 1024  # compressed, of the others on average: each costs a decoder of its own
WINDOW_LOG = 23  # 8 MiB, what zstd needs without --long; the window is memory
ENCODINGS = ("gzip", "zstd")


class Decoder:
    """Decodes one body, or one file, of one or more gzip members or zstd frames; raises Problem."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._codec = _codec(encoding)
        self._received = 0
        self._expanded = 0
        self._frames = 0
        self._within = False
        self._padded = False  # whether zeros may follow: after a member of gzip, as archivers leave them

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Plain pieces of at most PIECE bytes; take them all before the next call."""
        self._received += len(data)
        for start in range(0, len(data), SLICE):
            yield from self._decoded(data[start : start + SLICE])

    def _decoded(self, data: bytes) -> Iterator[bytes]:
        while data or not self._codec.needs_input:
            if self._padded and not self._within and not (data := data.lstrip(b"\0")):
                return
            self._within = True
            try:
                piece = self._codec.decompress(data, PIECE)
            except (zlib.error, zstd.ZstdError) as error:
                raise self._unreadable(str(error)) from None
            data = b""
            if self._codec.eof:
                data, self._codec, self._within = self._codec.unused_data, _codec(self._encoding), False
                self._count_frame()
                self._padded = self._encoding == "gzip"
            self._count(len(piece))
            if piece:
                yield piece

    def finish(self) -> None:
        """There is no more; raises Problem when the last member or frame is not whole, or there is none."""
        if self._within or not self._received:
            detail = f"The {self._encoding} data end before their end mark; send them whole."
            raise Problem(400, "truncated_encoding", detail)

    def _count_frame(self) -> None:
        self._frames += 1
        if self._frames > FREE_FRAMES + self._received // FRAME_BYTES:
            detail = f"The body has {self._frames} frames in {self._received} bytes; send it as one."
            raise Problem(413, "too_many_frames", detail)

    def _count(self, size: int) -> None:
        self._expanded += size
        if self._expanded > MAX_RATIO * self._received + FREE:
            detail = f"The body expands by more than {MAX_RATIO} times; send it with less compression."
            raise Problem(413, "expands_too_much", detail)

    def _unreadable(self, reason: str) -> Problem:
        if "memory" in reason:  # zstd: "Frame requires too much memory for decoding"
            detail = f"The zstd window is larger than {2**WINDOW_LOG} bytes; compress without --long."
            return Problem(413, "window_too_large", detail)
        detail = f"The body is not {self._encoding}: {reason:.100}; check Content-Encoding."
        return Problem(400, "bad_encoding", detail)


class _Codec(Protocol):
    """What the two codecs have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the interface of the newer ones."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = PIECE) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


def _codec(encoding: str) -> _Codec:
    if encoding == "gzip":
        return _Gzip()
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG})
