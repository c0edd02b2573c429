"""Settings that change whole selections: auto, trade-off, groups, exclusions, leaks, repeats, energies."""

import numpy as np
import pytest

from evoselect.errors import InvalidInput
from evoselect.select import select
from evoselect.selection import Selection
from evoselect.spec.selection import SelectionSpec
from tests.evoselect.instances import instance

CASE = instance(500, 24, 24, seed=13)
GROUPS = ["a"] * 16 + ["b"] * 8


def chosen(given: dict[str, object], k: int = 60) -> Selection:
    spec = SelectionSpec.model_validate(given)
    return select(CASE.candidates, CASE.targets, k, spec, seed=0, compare_with_baselines=False)


def test_auto_reports_what_it_chose_and_why() -> None:
    found = chosen({"lambda": "auto", "epsilon": "auto"}).diagnostics
    choices = found["auto"]
    assert isinstance(choices, list)
    assert [choice["name"] for choice in choices] == ["epsilon", "lam"]
    assert choices[1]["value"] == found["lambda"]
    assert all(choice["why"] and len(choice["held_out"]) >= 3 for choice in choices)


def test_tradeoff_curve_trades_transport_for_redundancy() -> None:
    curve = chosen({"tradeoff": True}).diagnostics["tradeoff"]
    assert isinstance(curve, list)
    assert len(curve) == 9  # eight values, and the one that was chosen
    assert curve[-1]["redundancy"] < curve[0]["redundancy"]
    assert curve[-1]["transport"] > curve[0]["transport"]


@pytest.mark.parametrize("energy", ["linear", "squared"])
def test_energies_lower_what_they_measure(energy: str) -> None:
    def mean_similarity(found: Selection) -> float:
        rows = CASE.candidates[found.indices].double()
        gram = rows @ rows.T
        return float((gram if energy == "linear" else gram**2).mean())

    assert mean_similarity(chosen({"energy": energy, "lambda": 3.0})) < mean_similarity(
        chosen({"lambda": 0.0})
    )


def mass_by_group(found: Selection) -> dict[str, float]:
    mass = {"a": 0.0, "b": 0.0}
    for item in found.items():
        for target in item.targets:
            mass[GROUPS[target.index]] += target.mass
    return mass


@pytest.mark.parametrize(
    ("settings", "share"), [({}, 0.5), ({"group_mode": "quota", "quotas": {"a": 3.0, "b": 1.0}}, 0.75)]
)
def test_groups_share_the_budget(settings: dict[str, object], share: float) -> None:
    spec = SelectionSpec.model_validate(settings)
    found = select(
        CASE.candidates, CASE.targets, 60, spec, seed=0, groups=GROUPS, compare_with_baselines=False
    )
    assert mass_by_group(found)["a"] == pytest.approx(share, abs=0.03)
    assert found.diagnostics["group_shares"] == pytest.approx({"a": share, "b": 1.0 - share})


def test_group_mode_max_serves_the_worst_group_no_worse() -> None:
    def worst(mode: str) -> float:
        spec = SelectionSpec.model_validate({"group_mode": mode, "lambda": 0.0})
        found = select(
            CASE.candidates, CASE.targets, 120, spec, seed=0, groups=GROUPS, compare_with_baselines=False
        )
        cost, mass = {"a": 0.0, "b": 0.0}, {"a": 1e-12, "b": 1e-12}
        for item in found.items():
            for target in item.targets:
                cost[GROUPS[target.index]] += target.mass * (1.0 - target.cosine)
                mass[GROUPS[target.index]] += target.mass
        return max(cost[group] / mass[group] for group in cost)

    assert worst("max") <= worst("mean") + 0.005


def test_quotas_must_name_the_groups() -> None:
    spec = SelectionSpec(group_mode="quota", quotas={"a": 1.0})
    with pytest.raises(InvalidInput, match=r"quotas name the groups \['a'\]"):
        select(CASE.candidates, CASE.targets, 10, spec, seed=0, groups=GROUPS)
    with pytest.raises(InvalidInput, match="needs groups"):
        select(CASE.candidates, CASE.targets, 10, spec, seed=0)


def test_repeats_follow_the_weights_of_the_solver() -> None:
    found = chosen({"method": "exponentiated", "repeat_budget": 100}, k=30)
    assert found.repeats.sum() == 100
    assert found.repeats[0] == found.repeats.max()
    assert np.array_equal(chosen({}, k=30).repeats, np.ones(30))
    with pytest.raises(InvalidInput, match="repeat_budget = 5 is below k = 30"):
        chosen({"repeat_budget": 5}, k=30)


def test_large_epsilon_is_taken_by_weight_and_still_bounded() -> None:
    found = chosen({"epsilon": 0.2}).diagnostics
    assert found["exchanges"] == 0
    assert found["transport"] >= found["transport_lower_bound"]  # type: ignore[operator]  # both are floats
