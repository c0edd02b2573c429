"""Gradient features of records: tokenise, run in micro-batches, account for every row."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from evoselect.gradients.examples import Example, Size, halving, padded_work, plan_batches
from evoselect.gradients.extractor import RawFeatures, hidden_size, make_extractor
from evoselect.spec.features import FeatureSpec
from store.records.record import Record
from workers.features.block import FeatureBlock
from workers.features.fingerprint import max_length, sketch_fingerprint
from workers.models import adam_moments as moments
from workers.models.loading import LoadedModel
from workers.models.tokenization import TokenizedRecord, tokenize

# Measured on 2 cores; a GPU needs far more to be busy, and halves what it cannot hold.
BATCH_TOKENS = {"cpu": 4096, "cuda": 65_536}


def compute_features(
    records: Sequence[Record],
    loaded: LoadedModel,
    spec: FeatureSpec,
    *,
    progress: Callable[[int], None],
) -> FeatureBlock:
    """Features of the records in their order; ``progress(rows_done)`` after every micro-batch may raise.

    The answer does not depend on how records are cut into calls, beyond rounding. Raises InvalidInput when
    the spec chooses no layer of the model.
    """
    start = time.perf_counter()
    tokenized = tokenize(records, loaded, max_length(loaded, spec), spec.reading)
    extractor = make_extractor(loaded.model, spec, moments.read(loaded, spec))
    block = _empty(tokenized, len(extractor.blocks), extractor.block_dim, sketch_fingerprint(loaded, spec))
    if spec.kind == "combined":
        block.hidden = np.zeros((len(tokenized), hidden_size(loaded.model)), dtype=np.float32)
    tokenized_at = time.perf_counter()
    usable = [row for row, item in enumerate(tokenized) if item.example is not None]
    examples = [item.example for item in tokenized if item.example is not None]
    names = [f"record {records[row].id}, {tokenized[row].tokens} tokens" for row in usable]
    done, sizes, work = len(tokenized) - len(usable), [], 0
    for batch in plan(examples, loaded, spec):
        work += padded_work([row_size(examples[i], spec) for i in batch])
        for part, features in halving(
            batch, lambda part: extractor([examples[i] for i in part]), names.__getitem__
        ):
            _write(block, [usable[i] for i in part], features)
            sizes.append(len(part))
            done += len(part)
            progress(done)
    block.stats = {
        "tokens": sum(len(example.ids) for example in examples),
        "answer_tokens": sum(example.answer_tokens for example in examples),
        "work": work,
        "micro_batches": len(sizes),
        "largest_micro_batch": max(sizes, default=0),
        "seconds_tokenize": tokenized_at - start,
        "seconds_extract": time.perf_counter() - tokenized_at,
    }
    return block


def plan(examples: Sequence[Example], loaded: LoadedModel, spec: FeatureSpec) -> list[list[int]]:
    """The micro-batches of these examples on this model's device."""
    budget = spec.batch_tokens or BATCH_TOKENS[loaded.device.type]
    return plan_batches([row_size(example, spec) for example in examples], budget)


def row_size(example: Example, spec: FeatureSpec) -> Size:
    """Tokens of a row before the graph and in it."""
    return example.size(cached_prompt=spec.kind != "hidden" and spec.positions == "answer")


def _empty(tokenized: Sequence[TokenizedRecord], blocks: int, block_dim: int, sketch: str) -> FeatureBlock:
    n = len(tokenized)
    return FeatureBlock(
        values=np.zeros((n, blocks, block_dim), dtype=np.float32),
        norms=np.zeros((n, blocks), dtype=np.float32),
        nll=np.full(n, np.nan, dtype=np.float32),
        tokens=np.array([item.tokens for item in tokenized], dtype=np.int32),
        status=[item.status for item in tokenized],
        sketch=sketch,
        stats={},
        shortened=sum(item.shortened for item in tokenized),
    )


def _write(block: FeatureBlock, index: Sequence[int], features: RawFeatures) -> None:
    """Put a micro-batch in its place; rows that cannot be scored stay zero and say why."""
    norms = torch.linalg.vector_norm(features.values, dim=2)  # (b, blocks)
    for at, row in enumerate(index):
        block.nll[row] = features.nll[at]
        if not bool(torch.isfinite(norms[at]).all()):
            block.status[row] = "non_finite"
        elif not bool(norms[at].any()):
            block.status[row] = "zero_gradient"
        else:
            block.values[row] = torch.nn.functional.normalize(features.values[at], dim=1).numpy()
            block.norms[row] = norms[at].numpy()
            if block.hidden is not None and features.hidden is not None:
                block.hidden[row] = torch.nn.functional.normalize(features.hidden[at], dim=0).numpy()
