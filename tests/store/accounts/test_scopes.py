"""What a key may do by its scopes."""

import pytest

from store.accounts.scopes import Scope, allows


@pytest.mark.parametrize(
    ("granted", "may"),
    [
        (set(), set()),
        ({"select:read"}, {Scope.READ}),
        ({"select:write"}, {Scope.READ, Scope.WRITE}),
        ({"train"}, {Scope.READ, Scope.TRAIN}),
        ({"train", "select:write"}, {Scope.READ, Scope.WRITE, Scope.TRAIN}),
        ({"admin"}, set(Scope)),
    ],
)
def test_scopes_include_others(granted: set[str], may: set[Scope]) -> None:
    assert {scope for scope in Scope if allows(frozenset(granted), scope)} == may
