"""Where selections go to be kept and looked at: W&B offline, the Hub and Argilla as servers on loopback."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from evoselect_client import BadInputError, Client
from evoselect_client.models import Selection
from tests_integrations.examples import POOL, prompts, run_example
from tests_integrations.fakes import KEY, Argilla, Hub
from tests_integrations.loopback import serving


def lines(rows: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def hub() -> Iterator[tuple[Hub, str]]:
    """A hub with a dataset of two files, and its address."""
    files = {"README.md": b"# raw", "data/a.jsonl": lines(POOL[:7]), "data/b.jsonl": lines(POOL[7:])}
    held = Hub({"org/raw": files})
    with serving(held) as address:
        yield held, address


def test_wandb(selection: Selection, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's own log, as the package wrote it offline, holds the artifact, the table and the numbers."""
    for name in ("WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(here / "wandb-files"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    latest = next(Client().selections.list()).wait()
    run_example("wandb")
    (log,) = here.glob("wandb-files/**/run-*.wandb")
    content = log.read_bytes()
    assert latest.id.encode() in content
    assert b"evoselect/counts.pool" in content
    assert b"rows.jsonl" in content
    (table,) = here.glob("wandb-files/**/media/table/**/*.table.json")
    assert [row[0] for row in json.loads(table.read_text())["data"]] == [item.rank for item in latest.items()]


def test_from_the_hub_and_back(here: Path, hub: tuple[Hub, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import HfApi

    import evoselect_client.integrations.hf_hub as pipeline

    held, address = hub
    monkeypatch.setattr(pipeline, "HfApi", lambda: HfApi(endpoint=address, token=KEY))
    names = run_example("hf_hub")
    client = Client()  # the example's is closed
    pool = client.pools.retrieve(names["pool"].id)
    selection = client.selections.retrieve(names["selection"].id)
    assert pool.count == len(POOL)
    kept = held.files["org/picked"]
    assert prompts(map(json.loads, kept["train.jsonl"].splitlines())) == prompts(
        item.record for item in selection.items()
    )
    assert set(kept["train.jsonl"].splitlines()) <= set(lines(POOL).splitlines())  # as they came
    assert json.loads(kept["evoselect.json"])["selection_id"] == selection.id
    assert b"3 examples" in kept["README.md"]
    assert held.private == {"org/picked"}
    assert held.refused == 0
    kept["README.md"] = b"mine"
    pipeline.push_selection(selection, "org/picked")
    assert held.files["org/picked"]["README.md"] == b"mine"
    again = pipeline.add_dataset(pool, "org/raw", files="data/*.jsonl")
    assert list(again) == ["data/a.jsonl", "data/b.jsonl"]
    assert client.pools.retrieve(pool.id).version == 2  # nothing was added twice
    with pytest.raises(BadInputError, match=r"no file of org/raw matches '\*\.csv'; it has README"):
        pipeline.add_dataset(pool, "org/raw", files="*.csv")


def test_argilla(selection: Selection, here: Path) -> None:
    import argilla as rg

    from evoselect_client.integrations.argilla import export, records

    held = Argilla()
    with serving(held) as address:
        client = rg.Argilla(api_url=address, api_key=KEY)
        dataset = export(selection, client, name="picked")
        export(selection, client, name="picked")
        assert [one["name"] for one in held.made["datasets"]] == ["picked"]
        assert held.made["datasets"][0]["status"] == "ready"
        assert prompts(one["fields"] for one in held.records.values()) == prompts(
            item.record for item in selection.items()
        )
        assert [one["metadata"]["rank"] for one in held.records.values()] == [1, 2, 3]
        for record in records(selection):
            again = rg.Record.from_dict(record.to_dict(), dataset=dataset)
            assert again.fields.to_dict() == record.fields.to_dict()
