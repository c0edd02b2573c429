"""The decoder alone: pieces of any length, members one after another, and bounds on what comes out."""

import gzip

import pytest

from service.http.decoding import FREE, MAX_RATIO, PIECE, Decoder
from service.http.problems import Problem

PLAIN = bytes(range(256)) * 40


def decoded(data: bytes, step: int) -> bytes:
    decoder = Decoder("gzip")
    pieces = [piece for at in range(0, len(data), step) for piece in decoder.feed(data[at : at + step])]
    decoder.finish()
    assert all(len(piece) <= PIECE for piece in pieces)
    return b"".join(pieces)


@pytest.mark.parametrize("step", [1, 7, 10**6])
def test_members_are_decoded_whatever_the_pieces(step: int) -> None:
    packed = gzip.compress(PLAIN) + gzip.compress(b"") + gzip.compress(b"end")
    assert decoded(packed, step) == PLAIN + b"end"
    assert decoded(packed + bytes(512), step) == PLAIN + b"end"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "truncated_encoding"),
        (gzip.compress(PLAIN)[:-1], "truncated_encoding"),
        (b"no gzip at all", "bad_encoding"),
        (gzip.compress(PLAIN) + b"junk", "bad_encoding"),
        (gzip.compress(bytes(2 * FREE + 4000 * MAX_RATIO)), "expands_too_much"),
    ],
)
def test_what_is_not_whole_or_not_within_bounds_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(Problem) as caught:
        decoded(data, 1000)
    assert caught.value.code == code
