"""The whole demo in small, against the whole product."""

from dataclasses import replace

import pytest
from rich.console import Console

from benchmarks.demo.data import build
from benchmarks.demo.report import print_table
from benchmarks.demo.run import PLANS, run
from evoselect_client import Client
from tests.conftest import Stack


@pytest.mark.long
@pytest.mark.timeout(900)
def test_every_number_of_the_table_is_measured(stack: Stack) -> None:
    data = build(seed=2, scale=0.02)
    small = replace(data, target=data.target[:8], test=data.test[:6])
    said: list[str] = []
    with Client(stack.url, stack.api_key) as client:
        result = run(client, small, said.append, plans=PLANS[:2], steps=2, k=3)
    assert list(result["rows"]) == ["EvoSelect", "random 1"]
    for row in result["rows"].values():
        assert row["n"] == 6
        assert row["answer_nll"] > 0
        assert row["draw"]["n"] == 3
    losses = [row["answer_nll"] for row in result["rows"].values()]
    assert losses[0] != losses[1]
    draws = [result["rows"][plan.name]["transport"] for plan in PLANS[:2]]
    assert draws[0] == min(draws)
    assert result["rows"]["EvoSelect"]["gap"] is not None
    assert result["seconds_per_phase"].keys() == {"features", "transport", "train", "evaluate"}
    assert all(seconds > 0 for seconds in result["seconds_per_phase"].values())
    assert len(said) == 1 + 3 * 2
    gain = result["gains"]["random 1"]
    accuracies = [result["rows"][name]["accuracy"] for name in ("EvoSelect", "random 1")]
    assert gain["difference"] == pytest.approx(accuracies[0] - accuracies[1])
    assert gain["interval"][0] <= gain["difference"] <= gain["interval"][1]
    print_table(result, Console(quiet=True))
