"""The quality benchmark through a running product: the rows say what the service said."""

import pytest

from benchmarks.quality.comparisons.run import run, upload
from benchmarks.quality.comparisons.setting import SMALL
from benchmarks.quality.data import build
from benchmarks.quality.summary import summarise
from evoselect_client import Client
from tests.conftest import Stack

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(400)]


def test_the_rows_of_a_comparison_give_the_verdict_that_the_service_gave(stack: Stack) -> None:
    data = build("mixed")
    with Client(stack.url, stack.api_key) as client:
        found = run(client, data.tasks["groups"], upload(client, data, SMALL), SMALL, seeds=2)
    rows = found["rows"]
    assert [(row["method"], row["seed"]) for row in rows if row["method"] == "random"] == [
        ("random", seed) for seed in range(3)
    ]
    assert len(rows) == 5
    means = {arm["name"]: arm["mean"] for arm in found["arms"]}
    for name, mean in means.items():
        own = [row["accuracy"] for row in rows if row["method"] == name]
        assert sum(own) / len(own) == pytest.approx(mean, abs=1e-4)
    told = summarise(rows, ["groups"])["verdicts"]["accuracy"][f"groups, k={SMALL.k}"]
    assert told["sentence"] == found["verdict"]["sentence"]
    assert len({row["own"] for row in rows if row["method"] == "default"}) == 1  # selected once
