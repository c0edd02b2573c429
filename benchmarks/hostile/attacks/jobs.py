"""Jobs that cannot be shown, and more of them than anybody may have."""

from benchmarks.hostile.attacks.stage import Attack, Stage, repeated

HUGE = "9" * 30
SOME = [{"prompt": "1 + 1?", "completion": "2"}]


def _poison_rows(stage: Stage) -> None:
    """Numbers that no integer of 64 bits holds, then looks at what came of them, beside those of others."""
    body = {"target": SOME, "candidates": SOME, "k": 1}
    for features in ({"max_length": HUGE}, {"dimension": HUGE}):
        answer = stage.send("POST", "/v1/selections", json={**body, "features": features})
        if answer is not None and answer.is_success:
            for _ in range(50):
                stage.send("GET", f"/v1/selections/{answer.json()['id']}")
    stage.send("GET", "/v1/selections")


def _retries(stage: Stage) -> None:
    """160 retries of one cancelled job."""
    job = stage.send("POST", "/v1/selections", json={"target": SOME, "candidates": SOME, "k": 1})
    if job is None or not job.is_success:
        return
    path = f"/v1/selections/{job.json()['id']}"
    stage.send("POST", f"{path}/cancel", json={})
    for _ in range(160):
        stage.send("POST", f"{path}/retry", json={})


ATTACKS: dict[str, Attack] = {
    "poison rows": repeated(_poison_rows),
    "retries": repeated(_retries),
}
