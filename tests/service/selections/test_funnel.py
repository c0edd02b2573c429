"""A funnel as a request asks for it: what it would cost, and what is refused before anything runs."""

from typing import Any

import pytest

from tests.live import Api, Json, question


def body(**changed: Any) -> Json:
    rows = [question(number) for number in range(1, 402)]
    funnel = {"funnel": {"share": 0.1}}
    return {"target": rows[:1], "candidates": rows[1:], "k": 10, "features": funnel, **changed}


def test_the_estimate_is_of_what_will_go_on(api: Api) -> None:
    path = "/v1/selections?validate_only=true"
    less, whole = api.post(path, body()).json(), api.post(path, body(features={})).json()
    assert (less["rows"], whole["rows"]) == (1 + 40 + 180, 401)  # a tenth, and a sample of 200
    assert 0.45 < less["tokens"] / whole["tokens"] < 0.65
    assert less["seconds"]["features"] < whole["seconds"]["features"]
    assert less["lengths"] == whole["lengths"]


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"k": 11}, "funnel_too_narrow", "lets 40 of 400 candidates through: ask for at most 10"),
        ({"k": None, "tokens": 50}, "invalid_request", "send k or ratio in place of tokens"),
        ({"method": "random"}, "invalid_request", "take capacity, round_robin, max_cosine"),
    ],
    ids=["too many", "tokens", "another method"],
)
def test_what_a_funnel_cannot_do_is_refused(api: Api, changed: Json, code: str, said: str) -> None:
    answer = api.post("/v1/selections", body(**changed))
    assert answer.status_code == 422, answer.text
    assert said in answer.text
    assert answer.json()["code"] == code
