"""Settings of a comparison: arms by name, and what contradicts itself."""

from typing import Any

import pytest
from pydantic import ValidationError

from evoselect.spec.comparison import ComparisonArm, ComparisonSpec


def test_arms_are_methods_by_name_or_settings_under_a_name_of_the_users() -> None:
    arms = ["random", {"name": "mine", "method": "capacity", "spec": {"lambda": 0.25}}, "mean_hidden"]
    spec = ComparisonSpec.model_validate({"k": 2, "arms": arms})
    assert spec.arms is not None
    assert [(arm.name, arm.spec.method) for arm in spec.arms] == [
        ("random", "random"),
        ("mine", "capacity"),
        ("mean_hidden", "mean_cosine"),
    ]
    assert spec.arms[1].spec.lam == 0.25
    assert spec.features_of(spec.arms[2]).kind == "hidden"
    assert spec.features_of(spec.arms[0]) == spec.features_of(spec.arms[1])  # found in the cache
    assert ComparisonSpec.model_validate(spec.model_dump(mode="json", by_alias=True)) == spec


def test_left_out_arms_are_the_recommended_ones() -> None:
    names = [arm.name for arm in ComparisonSpec(k=2).compared]
    assert names == ["random", "random_tokens", "mean_hidden", "round_robin", "capacity"]
    assert "random_tokens" not in [arm.name for arm in ComparisonSpec(tokens=100).compared]


def test_a_draw_where_nothing_needs_gradients_computes_none() -> None:
    spec = ComparisonSpec.model_validate({"k": 2, "arms": ["random", "mean_hidden"]})
    assert {spec.features_of(arm).kind for arm in spec.compared} == {"hidden"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"k": 2, "ratio": 0.5}, "k is 2, ratio is 0.5, tokens is None: send exactly one"),
        ({}, "send exactly one of them"),
        ({"k": 2, "arms": ["random"]}, "needs two arms or more"),
        ({"k": 2, "arms": []}, "needs two arms or more"),
        ({"k": 2, "arms": ["less", "capacity"]}, "add random, which the gains are told against"),
        ({"k": 2, "arms": ["random", "random"]}, "arms has 'random' twice"),
        ({"k": 2, "arms": ["random", "best"]}, "'best' is no method: there are all, attribution_diversity"),
        ({"k": 2, "arms": ["random", "random_tokens"]}, "add one, such as capacity"),
        ({"tokens": 9, "arms": ["random", "random_tokens", "less"]}, "every arm has 9 tokens"),
        ({"k": 2, "features": {"kind": "provided"}}, "leave kind and checkpoints out"),
        ({"k": 2, "measure": "exact_match"}, "set evaluation.generate to true"),
        (
            {"k": 2, "arms": ["random", {"name": "a", "method": "less", "spec": {"method": "tsds"}}]},
            "send one",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ComparisonSpec.model_validate(given)


def test_an_arm_says_what_is_missing() -> None:
    with pytest.raises(ValidationError, match="name"):
        ComparisonArm.model_validate({"method": "less"})
