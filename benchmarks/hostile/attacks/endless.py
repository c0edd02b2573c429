"""Work that does not end by itself: generators that never answer, trainings with as many steps as allowed."""

import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from benchmarks.hostile.attacks.stage import Attack, Stage

LOOPS = 8
TRAININGS = 4
MOST_STEPS = 100_000  # that are allowed by default
SOME = [{"prompt": f"{number} + {number}?", "completion": str(2 * number)} for number in range(8)]


def _silent_generators(stage: Stage) -> Counter[str]:
    target = stage.made("/v1/targets", {"records": SOME})
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        generator = {"kind": "openai", "url": url, "model": "silent", "size": 5, "seconds": 600}
        body = {"target_id": target, "evaluation_target_id": target, "generator": generator, "k": 1}
        _until_over(stage, "/v1/loops", [body] * LOOPS)
    return stage.answers


def _endless_trainings(stage: Stage) -> Counter[str]:
    pool = stage.made("/v1/pools", {})
    stage.made(f"/v1/pools/{pool}/batches", {"records": SOME})
    wanted = [10_000_000, *[MOST_STEPS] * TRAININGS]  # the first is refused
    bodies = [{"pool_id": pool, "spec": {"max_steps": steps, "batch_size": 1}} for steps in wanted]
    _until_over(stage, "/v1/trainings", bodies)
    return stage.answers


def _until_over(stage: Stage, path: str, bodies: Sequence[Mapping[str, object]]) -> None:
    """Start these jobs, wait, and cancel them: what follows is measured without them."""
    answers = [stage.send("POST", path, json=body) for body in bodies]
    while not stage.over:
        time.sleep(0.5)
    for answer in answers:
        if answer is not None and answer.is_success:
            stage.send("POST", f"{path}/{answer.json()['id']}/cancel", json={})


ATTACKS: dict[str, Attack] = {"silent generator": _silent_generators, "endless training": _endless_trainings}
