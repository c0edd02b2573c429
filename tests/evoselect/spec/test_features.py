"""What a feature specification takes and refuses."""

import time
from typing import Any

import pytest
from pydantic import ValidationError

from evoselect.spec.features import FeatureSpec


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("q_proj", "q_proj"),
        ("q_proj|*_proj|fc[12]", "q_proj|*_proj|fc[12]"),
        (["Wqkv", "dense*"], "Wqkv|dense*"),
        ("*", "*"),
    ],
)
def test_modules_are_names_or_globs(given: Any, kept: str) -> None:
    assert FeatureSpec.model_validate({"modules": given}).modules == kept
    assert FeatureSpec.model_validate(FeatureSpec(modules=given).model_dump(mode="json")).modules == kept


@pytest.mark.parametrize(
    "given",
    [
        ".*_proj|c_.*",  # the default of earlier releases
        "(" + "|".join(["a|a"] * 20) + ")*b",
        "q_proj|",
        "q_proj||k_proj",
        "q_proj\x00",
        "q proj",
        "^q_proj$",
        "",
        [],
        ["q_proj", 1],
        7,
        "|".join(["q"] * 65),
        "a?" * 10**6,
        ["q" * 1024] * 2,
    ],
)
def test_what_is_no_name_is_refused_at_once(given: Any) -> None:
    start = time.perf_counter()
    with pytest.raises(ValidationError):
        FeatureSpec.model_validate({"modules": given})
    assert time.perf_counter() - start < 0.05  # of the event loop


def test_the_old_default_is_answered_with_the_new_one() -> None:
    with pytest.raises(
        ValidationError, match=r"no regular expression; '\*', the default, is every linear layer"
    ):
        FeatureSpec(modules=".*_proj|c_.*")


@pytest.mark.parametrize(
    "wide", [(256, 256, 131_072), (1024, 1024, 2**20), (1024, 1024, 1025), (24, 24, 1_864_136)]
)
def test_sketches_have_a_bound_together(wide: tuple[int, int, int]) -> None:
    sketch_in, sketch_out, dim = wide
    with pytest.raises(ValidationError):
        FeatureSpec(sketch_in=sketch_in, sketch_out=sketch_out, dim=dim)
    assert FeatureSpec(sketch_in=24, sketch_out=24, dim=2**20).dim == 2**20
    assert FeatureSpec(sketch_in=1024, sketch_out=1024, dim=1024).dim == 1024
