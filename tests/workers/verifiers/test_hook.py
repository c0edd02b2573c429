"""A user's own verifier on loopback: records in, scores out."""

from typing import Any

import pytest

from tests.workers.chat_server import Script, reply, scripted
from tests.workers.verifiers.checked import checked, is_right, serve_judge


def test_a_hook_gets_records_and_gives_scores() -> None:
    def hook(handler: Any, script: Script) -> None:
        reply(handler, 200, {"scores": [float(is_right(row)) for row in script.bodies[-1]["records"]]})

    with serve_judge(hook) as (url, script):
        found, told = checked(url, kind="hook", number=1, per_request=5)
    assert [record.quality for record in found] == [0.0, 1.0] * 3
    assert (told.auc, told.requests, told.cost) == (1.0, 4, 0.0)
    assert set(script.bodies[0]["records"][0]) == {"prompt", "completion"}


@pytest.mark.parametrize(
    ("answer", "scored", "garbage"),
    [
        ({"scores": [1, None, 2, 0.5, "1", False]}, 2, 0),
        ({"scores": [1]}, 0, 1),
        ({"scores": "all"}, 0, 1),
        ({"verdicts": []}, 0, 1),
    ],
)
def test_a_hook_that_answers_otherwise_leaves_candidates_out(answer: Any, scored: int, garbage: int) -> None:
    with scripted(answer) as (url, _):
        _, told = checked(url, kind="hook")
    assert (told.scored, told.unverified, told.garbage) == (scored, 6 - scored, garbage)
