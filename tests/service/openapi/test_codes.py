"""Codes of problems by operation and status."""

from service.openapi.codes import CODES, of_operation


def test_patterns_name_operations() -> None:
    names = {code.name for code in of_operation("selections.create", 422)}
    assert {"unknown_model", "k_exceeds_pool", "invalid_request"} <= names
    assert "unknown_model" not in {code.name for code in of_operation("pools.create", 422)}
    assert list(of_operation("selections.create", 418)) == []


def test_a_code_has_one_status_or_says_so_twice_with_meanings_of_their_own() -> None:
    told = [(code.name, code.status) for code in CODES]
    assert len(told) == len(set(told))
    assert all(code.meaning.endswith(".") for code in CODES)
