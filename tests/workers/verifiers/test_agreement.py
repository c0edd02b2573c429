"""A candidate is scored by how many samples of a model agree with it."""

import pytest

from tests.workers.chat_server import scripted
from tests.workers.verifiers.checked import INSIDE, MADE, check


def test_agreement_is_the_share_of_answers_like_the_records() -> None:
    right, wrong = MADE[1].completion, "no idea"
    with scripted(right, f" {right}. ", wrong, "") as (url, script):
        found, told = check(url, kind="agreement", samples=4).run(INSIDE, MADE[1:2])
    assert found[0].quality == pytest.approx(2 / 3)
    assert (told.garbage, told.requests) == (1, 4)
    assert all(right not in str(body["messages"]) for body in script.bodies)
