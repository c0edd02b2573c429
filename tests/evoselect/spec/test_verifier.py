"""Settings of a verifier, and what they ask of the loop around it."""

import pytest
from pydantic import TypeAdapter

from evoselect.spec.loop import LoopSpec
from evoselect.spec.verifier import Verifier


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="send exactly one of endpoint"):
        TypeAdapter(Verifier).validate_python({"kind": "hook"})
    whole = {"kind": "pool", "pool_id": "pool_x"}
    verifier = {"kind": "hook", "url": "https://example.com/check"}
    with pytest.raises(ValueError, match=r"set generator\.size"):
        LoopSpec.model_validate({"generator": whole, "k": 2, "verifier": verifier})
    with pytest.raises(ValueError, match="send pushed candidates with a quality"):
        LoopSpec.model_validate({"generator": {"kind": "push"}, "k": 2, "verifier": verifier})
    spec = LoopSpec.model_validate({"generator": {**whole, "size": 4}, "k": 2, "verifier": verifier})
    assert spec.selecting.least_quality == 0.5
    given = {**spec.model_dump(by_alias=True), "selection": {"least_quality": 0.0}}
    assert LoopSpec.model_validate(given).selecting.least_quality == 0.0
