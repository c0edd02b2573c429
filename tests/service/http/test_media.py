"""Media types of bodies, and what a client would rather have."""

import pytest

from service.http.media import JSON, NDJSON, PARQUET, acceptable, media_type, required
from service.http.problems import Problem

KINDS = (JSON, NDJSON, PARQUET)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (None, ""),
        ("Application/JSON; charset=utf-8", JSON),
        ("application/jsonl", NDJSON),
        ("text/plain", NDJSON),
        ("application/x-parquet", PARQUET),
        ("image/png", "image/png"),
    ],
)
def test_other_names_mean_the_same(given: str | None, kind: str) -> None:
    assert media_type(given) == kind


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("text/html, application/x-ndjson", NDJSON),
        (f"{JSON};q=0.1, {PARQUET};q=0.9", PARQUET),
        (f"{PARQUET};q=much, {NDJSON}", NDJSON),
    ],
)
def test_the_client_gets_what_it_prefers(accept: str | None, kind: str) -> None:
    assert acceptable(accept, KINDS) == kind


@pytest.mark.parametrize("accept", ["text/html", f"{JSON};q=0", "application", "*/json"])
def test_what_there_is_not_is_a_406_that_names_what_there_is(accept: str) -> None:
    with pytest.raises(Problem, match="this comes as application/json") as caught:
        acceptable(accept, KINDS)
    assert caught.value.status_code == 406


@pytest.mark.parametrize(("given", "named"), [(None, "not nothing"), ("text/csv", "not text/csv")])
def test_a_body_of_another_kind_is_a_415(given: str | None, named: str) -> None:
    with pytest.raises(Problem, match=named) as caught:
        required(given, (JSON,))
    assert caught.value.status_code == 415
