"""Which scope a request needs."""

import pytest

from service.http.access import needed
from store.accounts.scopes import Scope


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/pools", Scope.READ),
        ("OPTIONS", "/v1/pools/pool_1/batches", Scope.READ),
        ("POST", "/v1/pools", Scope.WRITE),
        ("DELETE", "/v1/selections/sel_1", Scope.WRITE),
        ("PATCH", "/v1/loops/loop_1", Scope.TRAIN),
        ("GET", "/v1/api_keys", Scope.ADMIN),
        ("PROPFIND", "/v1/models", Scope.TRAIN),
    ],
)
def test_the_table_says_which(method: str, path: str, scope: Scope) -> None:
    assert needed(method, path) == scope


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nothing", "", "/v1//pools"])
def test_a_noun_that_is_not_in_the_table_is_for_nobody(path: str) -> None:
    assert needed("GET", path) is None
