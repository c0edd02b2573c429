"""1,500 event streams of one job, which end at the same time."""

from benchmarks.hostile.attacks.stage import Attack, Stage, close_all, repeated

STREAMS = 1500
SOME = [{"prompt": "1 + 1?", "completion": "2"}]


def _streams(stage: Stage) -> None:
    job = stage.made("/v1/selections", {"target": SOME, "candidates": SOME, "k": 1})
    request = (
        f"GET /v1/selections/{job}/events HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {stage.key}\r\nAccept: text/event-stream\r\n\r\n"
    ).encode()
    open_ = [stage.connect(request) for _ in range(STREAMS)]
    stage.send("POST", f"/v1/selections/{job}/cancel", json={})
    for connection in open_:
        if connection is not None:
            stage.answers[connection.recv(4096)[9:12].decode()] += 1
    close_all(open_)


ATTACKS: dict[str, Attack] = {"1,500 streams": repeated(_streams, pause=2.0)}
