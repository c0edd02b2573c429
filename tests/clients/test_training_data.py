"""Datasets and TRL on a live service: rows in, rounds out; a trainer that goes on to the next."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import datasets
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig  # type: ignore[attr-defined]

from evoselect_client import Client
from evoselect_client.integrations import hf_datasets, trl
from evoselect_client.integrations.hf_datasets import select_rows
from evoselect_client.integrations.trl import trl_row
from evoselect_client.models import Item
from store.records.record import parse_record
from tests.live import Api, another_tenant, lines, question
from tests.service.test_routes import complete

ROWS = [question(n) for n in range(8)]
CHAT = {"messages": [{"role": "user", "content": "Hi?"}], "completion": "Hello."}
WORDS = ["[UNK]", "[PAD]", "[EOS]", *(str(n) for n in range(20)), "+", "?"]


@contextmanager
def worker(api: Api, *plan: list[dict[str, Any]]) -> Iterator[Client]:
    """A client of the tenant, whose queued selections end with the rows of the plan, one list each."""
    done, waiting = threading.Event(), list(plan)

    def work() -> None:
        while not done.wait(0.1):
            for job in api.get("/v1/selections?status=queued")["data"]:
                rows = waiting.pop(0)
                complete(api, job["id"], [item(rank, row) for rank, row in enumerate(rows, 1)])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        with Client(api.url, api.api_key) as client:
            yield client
    finally:
        done.set()
        thread.join()


def item(rank: int, row: dict[str, Any]) -> dict[str, Any]:
    content = parse_record(row).content_hash
    return {"rank": rank, "id": f"c{rank}", "content_hash": content, "weight": 0.5, "record": row}


def example(module: ModuleType) -> str:
    """What stands below the first paragraph of the docstring."""
    return (module.__doc__ or "").partition("\n\n")[2]


def test_rows_of_a_dataset(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = another_tenant(api)
    with worker(own, [ROWS[5], ROWS[2]], [ROWS[1]]) as client:
        data = datasets.Dataset.from_list(ROWS)
        picked = select_rows(client, data, target=[question(9)], k=2, weights=True)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("EVOSELECT_URL", own.url)
        monkeypatch.setenv("EVOSELECT_API_KEY", own.api_key)
        Path("pool.jsonl").write_bytes(lines(*ROWS))
        Path("target.jsonl").write_bytes(lines(question(9)))
        names: dict[str, Any] = {}
        exec(example(hf_datasets), names)
        assert names["picked"]["prompt"] == [ROWS[1]["prompt"]]
        assert [pool.count for pool in client.pools.list()] == [len(ROWS)]  # the same rows
    assert picked["prompt"] == [ROWS[5]["prompt"], ROWS[2]["prompt"]]
    assert (picked["evoselect_rank"], picked["evoselect_weight"]) == ([1, 2], [0.5, 0.5])


def test_chat_becomes_turns() -> None:
    row = trl_row(Item.model_validate(item(1, CHAT)))
    assert row == {"prompt": CHAT["messages"], "completion": [{"role": "assistant", "content": "Hello."}]}


def test_a_trainer_takes_the_next_round_after_an_epoch(api: Api, tmp_path: Path) -> None:
    """Two rounds of two rows, one row a step: the third step is of the second round."""
    with worker(another_tenant(api), ROWS[:2], ROWS[4:6]) as client:
        target = client.targets.create([question(9)])
        pool = client.pools.create()
        pool.add(ROWS)
        args = SFTConfig(
            output_dir=str(tmp_path),
            max_steps=4,
            per_device_train_batch_size=1,
            report_to="none",
            save_strategy="no",
            use_cpu=True,
            bf16=False,
            dataset_num_proc=None,
        )
        names: dict[str, Any] = {"client": client, "target": target, "pool": pool, "args": args}
        names |= {"model": LlamaForCausalLM(config()), "tokenizer": tokenizer()}
        exec(example(trl), names)
        data, trainer = names["data"], names["trainer"]
        assert trainer.train().global_step == 4
        first, second = data.rounds
        assert second.request["exclude_selection_ids"] == [first.id]
        assert [row["prompt"] for row in data.rows()] == [row["prompt"] for row in ROWS[4:6]]
        assert data.dataset()["completion"] == [row["completion"] for row in ROWS[4:6]]


def config() -> LlamaConfig:
    """A model of a few thousand parameters: what is tested is the way of the rows."""
    return LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )


def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]", eos_token="[EOS]"
    )
