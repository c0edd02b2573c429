"""How many go through a funnel, and who may have one."""

from typing import Any

import pytest
from pydantic import ValidationError

from evoselect.spec.comparison import ComparisonSpec
from evoselect.spec.features import FeatureSpec
from evoselect.spec.funnel import Funnel, sampled
from evoselect.spec.loop import LoopSpec

THERE = {"funnel": {"share": 0.2}}


def test_what_goes_on_is_the_share_and_what_of_the_sample_lies_outside_it() -> None:
    assert Funnel(share=0.1).nearest(1_001) == 101
    assert [sampled(count) for count in (50, 1_000, 10_000, 10**6)] == [50, 200, 500, 2_000]
    assert Funnel(share=0.1).going_on(10_000) == 1_000 + 450
    assert Funnel(share=0.9).going_on(10) == 10


def test_settings_without_one_are_stored_as_they_were() -> None:
    assert "funnel" not in FeatureSpec().model_dump(mode="json")
    stored = FeatureSpec.model_validate(THERE).model_dump(mode="json")
    assert stored["funnel"] == {"share": 0.2, "by": "words"}
    assert FeatureSpec.model_validate(stored).funnel == Funnel(share=0.2)


@pytest.mark.parametrize("share", [0, 0.95, -1, float("nan"), "0.1", True])
def test_a_share_is_a_part_of_the_pool(share: Any) -> None:
    with pytest.raises(ValidationError, match="share"):
        FeatureSpec.model_validate({"funnel": {"share": share}})


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: FeatureSpec.model_validate({"kind": "provided", **THERE}), "yours were sent"),
        (lambda: ComparisonSpec.model_validate({"k": 1, "features": THERE}), "leave funnel out"),
        (
            lambda: ComparisonSpec.model_validate(
                {"k": 1, "arms": ["random", {"name": "capacity", "features": THERE}]}
            ),
            "leave funnel out",
        ),
        (
            lambda: LoopSpec.model_validate({"k": 1, "generator": {"kind": "push"}, "features": THERE}),
            "leave funnel out",
        ),
    ],
    ids=["provided", "comparison", "arm", "loop"],
)
def test_who_looks_at_all_features_is_refused(made: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        made()
