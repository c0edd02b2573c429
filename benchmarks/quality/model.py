"""The proxy cut in two: frozen lower layers whose states are computed once, and the top that is trained.

A LoRA adapter on the top layers alone costs a fifth of one on all of them, in training and in evaluation, so
that a comparison can have many runs. Gradients of these layers are those of what is trained.
"""

import copy
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from benchmarks.quality.packed import Batch, Row, collate
from workers.models import LoadedModel

TOP = 6  # of 30 layers
STATE_TOKENS = 2048  # of a batch of the lower layers


def lower(loaded: LoadedModel) -> Any:
    """The decoder without its top layers and its last norm."""
    decoder = copy.copy(loaded.model.model)
    decoder._modules = dict(decoder._modules)  # the loaded model keeps its own
    decoder.layers = loaded.model.model.layers[:-TOP]
    decoder.norm = nn.Identity()
    return decoder


def upper(loaded: LoadedModel) -> Any:
    """A model of the top layers and the output embedding, frozen; it reads states for embeddings."""
    model = copy.copy(loaded.model)
    model._modules = dict(model._modules)
    model.model = copy.copy(loaded.model.model)
    model.model._modules = dict(loaded.model.model._modules)
    model.model.layers = copy.deepcopy(loaded.model.model.layers[-TOP:])
    return model


def logits(model: Any, batch: Batch, states: Tensor) -> Tensor:
    """(n, vocabulary) of the predicted tokens, from (b, t, hidden) states below the model's layers."""
    hidden = model.model(
        inputs_embeds=states, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False
    ).last_hidden_state
    found: Tensor = model.lm_head(hidden.flatten(0, 1)[batch.at])
    return found


def states(rows: Sequence[Row], loaded: LoadedModel, cache: Path) -> list[Tensor]:
    """(t, hidden) bfloat16 states of each row below the top layers, computed once and kept in ``cache``."""
    read = [(row.ids, row.positions, row.part) for row in rows]
    name = hashlib.sha256(repr((loaded.fingerprint, TOP, read)).encode()).hexdigest()
    path = cache / f"states-{name[:16]}.pt"
    lengths = [len(row.ids) for row in rows]
    if not path.exists():
        flat = torch.cat(_computed(rows, lower(loaded)))
        draft = path.with_suffix(f".{os.getpid()}")  # another process may compute the same meanwhile
        torch.save(flat, draft)
        draft.rename(path)
    return list(torch.load(path, weights_only=True).split(lengths))


def _computed(rows: Sequence[Row], decoder: Any) -> list[Tensor]:
    found: list[Tensor] = [torch.empty(0)] * len(rows)
    for part in by_length(rows, STATE_TOKENS):
        batch = collate([rows[i] for i in part])
        with torch.no_grad():
            hidden = decoder(
                input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False
            ).last_hidden_state
        for i, state in zip(part, hidden, strict=True):
            found[i] = state[: len(rows[i].ids)].bfloat16()
    return found


def by_length(rows: Sequence[Row], tokens: int) -> list[list[int]]:
    """Indices in batches of rows of similar length, at most ``tokens`` with padding."""
    batches: list[list[int]] = []
    for i in sorted(range(len(rows)), key=lambda i: -len(rows[i].ids)):
        if batches and len(rows[batches[-1][0]].ids) * (len(batches[-1]) + 1) <= tokens:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def padded(states: Sequence[Tensor]) -> Tensor:
    """(b, longest, hidden)."""
    return pad_sequence(list(states), batch_first=True)
