"""How many processes compute side by side, and with how many threads."""

import pytest

from embedded import cores


def test_what_is_wanted_is_taken() -> None:
    assert cores.processes(3) == 3


def test_one_process_keeps_all_cores() -> None:
    assert cores.threads(1) == {}


def test_several_share_the_cores_and_each_has_one_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert cores.threads(2) == {"OMP_NUM_THREADS": str(max(1, cores.cores() // 2))}
    assert cores.threads(1_000) == {"OMP_NUM_THREADS": "1"}


def test_threads_that_the_user_chose_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert cores.threads(2) == {}


def test_there_are_never_more_than_cores() -> None:
    assert 1 <= cores.processes(None) <= min(cores.MOST, cores.cores())
