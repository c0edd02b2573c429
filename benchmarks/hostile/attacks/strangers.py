"""Without a key: forms that lie about their size, forms and heads without an end, and expensive pages."""

import gzip
import time

from benchmarks.hostile.attacks.stage import Attack, Stage, close_all, repeated

SIGN_IN = (
    b"POST /ui/sign-in HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n"
)
CHUNKED = SIGN_IN + b"Transfer-Encoding: chunked\r\n\r\n"
PADDED = gzip.compress(b"a" * (15 * 2**20))
PIECE = b"a" * 2**16
UNFINISHED = 250
ENDLESS_BYTES = 64 * 2**20


def _sign_in(stage: Stage) -> None:
    """12 padded forms at once, 250 that never end, and wrong keys."""
    head = SIGN_IN + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PADDED)
    open_ = [stage.connect(CHUNKED + b"10000\r\n" + PIECE) for _ in range(UNFINISHED)]
    stage.at_once(12, lambda _: close_all([stage.connect(head, PADDED, answer=True)]))
    form = {"api_key": "evs_wrong"}
    for _ in range(50):
        stage.send("POST", "/ui/sign-in", key=False, data=form, headers={"Sec-Fetch-Site": "same-origin"})
    time.sleep(1)
    close_all(open_)


def _heads(stage: Stage) -> None:
    """Endless headers and URLs, four at once."""
    starts = (b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ", CHUNKED + b"0\r\nX-Trailer: ")
    pieces = [PIECE] * (ENDLESS_BYTES // len(PIECE))
    stage.at_once(4, lambda n: close_all([stage.connect(starts[n % len(starts)], *pieces, answer=True)]))


def _metrics(stage: Stage) -> None:
    """800 at once."""
    get = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    open_ = [stage.connect(get) for _ in range(800)]
    for connection in open_:
        if connection is not None:
            stage.answers[connection.recv(4096)[9:12].decode()] += 1
    close_all(open_)


ATTACKS: dict[str, Attack] = {
    "sign-in floods": repeated(_sign_in),
    "header floods": repeated(_heads),
    "metrics floods": repeated(_metrics, pause=1.0),
}
