"""DSIR (Xie et al. 2023): importance weights from hashed n-grams of the texts, Gumbel top-k; no features."""

import itertools
import re
import zlib
from collections.abc import Sequence

import numpy as np

from evoselect.arrays import Floats
from evoselect.errors import InvalidInput
from evoselect.task import Chosen, Task, ranked

BUCKETS = 10_000
SMOOTHING = 1.0  # added to every bucket's count
TOKEN = re.compile(r"\w+|[^\w\s]")


def dsir(task: Task) -> Chosen:
    """log p_target - log p_pool of each text's uni- and bigrams plus Gumbel noise; the k largest."""
    if task.texts is None or task.target_texts is None:
        raise InvalidInput("method dsir compares texts, and none were given: pass texts and target_texts")
    score = importance(task.texts, task.target_texts)
    return ranked(score + task.rng.gumbel(size=task.n), task.k)


def importance(texts: Sequence[str], target_texts: Sequence[str]) -> Floats:
    """(N,) log importance weight of every text: sum over its n-grams of log p_target - log p_pool."""
    buckets = [hashed_ngrams(text) for text in texts]
    pool = _log_frequency(buckets)
    goal = _log_frequency([hashed_ngrams(text) for text in target_texts])
    ratio = goal - pool
    return np.array([ratio[found].sum() for found in buckets])


def hashed_ngrams(text: str) -> np.ndarray:
    """(grams,) int64 bucket, below BUCKETS, of each lower-case unigram and bigram, with repetition."""
    tokens = TOKEN.findall(text.lower())
    grams = tokens + [f"{a} {b}" for a, b in itertools.pairwise(tokens)]
    return np.array([zlib.crc32(gram.encode()) % BUCKETS for gram in grams], dtype=np.int64)


def _log_frequency(buckets: Sequence[np.ndarray]) -> Floats:
    counts = SMOOTHING + np.bincount(
        np.concatenate([*buckets, np.empty(0, dtype=np.int64)]), minlength=BUCKETS
    )
    return np.asarray(np.log(counts / counts.sum()))
