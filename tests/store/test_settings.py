"""Settings: names with units, the variables that they had before, and what another process reads."""

import pytest
from pydantic import ValidationError

from store.settings import FORMER, Settings, as_environment


@pytest.mark.parametrize("field", FORMER)
def test_the_variable_without_a_unit_is_still_read(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"EVOSELECT_{FORMER[field]}", "7.5")
    assert getattr(Settings(), field) == 7.5
    monkeypatch.setenv(f"EVOSELECT_{field.upper()}", "8.5")  # the new name counts where both are set
    assert getattr(Settings(), field) == 8.5


def test_durations_say_their_unit() -> None:
    durations = {name for name, field in Settings.model_fields.items() if field.annotation is float}
    assert {name for name in durations if not name.endswith(("_seconds", "_share"))} == set()


def test_another_process_reads_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(lease_seconds=9.0, models=None, show_docs=True, redis_url="redis://127.0.0.1:1")
    monkeypatch.setenv("EVOSELECT_LEASE", "3")
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EVOSELECT_MODELS", "EVOSELECT_MAX_K"):
        monkeypatch.setenv(name, "")
    assert (Settings().models, Settings().max_k) == (None, 10_000_000)


def test_a_variable_without_the_prefix_is_not_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """HOME, PORT and the like belong to others."""
    usual = Settings()
    for field in Settings.model_fields:
        monkeypatch.setenv(field.upper(), "rubbish")
        monkeypatch.setenv(field, "rubbish")
    assert Settings() == usual


def test_an_unknown_name_and_a_value_out_of_range_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValidationError, match="lease\n"):
        Settings(lease=9.0)  # type: ignore[call-arg]
    monkeypatch.setenv("EVOSELECT_POLL", "0")
    with pytest.raises(ValidationError, match="EVOSELECT_POLL_SECONDS"):
        Settings()
