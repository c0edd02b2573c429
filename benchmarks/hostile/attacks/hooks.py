"""Twenty receivers that accept connections and say nothing, told of forty jobs."""

import socket
import time
from collections import Counter

from benchmarks.hostile.attacks.stage import Attack, Stage

ENDPOINTS, JOBS = 20, 40
SOME = [{"prompt": "1 + 1?", "completion": "2"}]


def _silent(stage: Stage) -> Counter[str]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as silent:
        port = silent.getsockname()[1]
        for number in range(ENDPOINTS):
            stage.send("POST", "/v1/webhook_endpoints", json={"url": f"https://127.0.0.1:{port}/{number}"})
        for _ in range(JOBS):
            job = stage.send("POST", "/v1/selections", json={"target": SOME, "candidates": SOME, "k": 1})
            if job is not None and job.is_success:
                stage.send("POST", f"/v1/selections/{job.json()['id']}/cancel", json={})
        while not stage.over:
            time.sleep(0.5)
    return stage.answers


ATTACKS: dict[str, Attack] = {"silent webhooks": _silent}
