"""TRL: train on a selection, and on the next round's as soon as an epoch has ended.

from trl import SFTTrainer
from evoselect_client.integrations.trl import NextRound, SelectionDataset

data = SelectionDataset(client, target_id=target.id, pool_id=pool.id, k=2)
trainer = SFTTrainer(model, args, train_dataset=data.stream(), processing_class=tokenizer)
trainer.add_callback(NextRound(data, rounds=2))
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from evoselect_client.client import Client
from evoselect_client.integrations import needed
from evoselect_client.models import Item, Selection

with needed("trl"):
    from datasets import Dataset, IterableDataset
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

KEPT = ("prompt", "completion", "messages")  # the columns of TRL's conventional formats


class SelectionDataset:
    """Selections from one pool for one target, round by round; no round selects what an earlier one did.

    The arguments are those of `client.selections.create`. Values: `rounds`, all selections so far.
    """

    def __init__(self, client: Client, **request: Any) -> None:
        self._client = client
        self._request = request
        self._token = uuid.uuid4().hex
        self.rounds: list[Selection] = []
        self.next_round()

    def __getstate__(self) -> dict[str, str]:
        """What `datasets` takes a fingerprint of: connections have none, and a copy could fetch nothing."""
        return {"token": self._token}

    def next_round(self) -> Selection:
        """Select again, without what was selected before, and read from the new selection from now on."""
        earlier = [selection.id for selection in self.rounds]
        request = {**self._request, "exclude_selection_ids": earlier or None}
        self.rounds.append(self._client.selections.create(**request).wait())
        return self.rounds[-1]

    def rows(self) -> Iterator[dict[str, Any]]:
        """The present round's rows in rank order, in TRL's prompt-completion format."""
        yield from (trl_row(item) for item in self.rounds[-1].items())

    def dataset(self) -> Dataset:
        """The present round, in memory."""
        return Dataset.from_list(list(self.rows()))

    def stream(self) -> IterableDataset:
        """Every pass over it reads the round that is present then; train with `max_steps`."""
        return IterableDataset.from_generator(self.rows)


class NextRound(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Fetches the next round at the end of every epoch, `rounds` in all."""

    def __init__(self, data: SelectionDataset, *, rounds: int) -> None:
        self._data = data
        self._rounds = rounds

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        """Called by the trainer."""
        if len(self._data.rounds) < self._rounds:
            self._data.next_round()


def trl_row(item: Item) -> dict[str, Any]:
    """A row that SFTTrainer takes: text as prompt and completion, chat as turns of both."""
    record = item.record
    if record.get("messages"):
        answer = [{"role": "assistant", "content": record["completion"]}]
        return {"prompt": record["messages"], "completion": answer}
    return {name: record[name] for name in KEPT if record.get(name) is not None}
