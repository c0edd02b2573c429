"""DSIR: texts weighed by hashed n-grams."""

import numpy as np
import pytest

from evoselect.baselines import dsir


def test_dsir_prefers_texts_that_read_like_the_targets() -> None:
    texts = ["the cell divides", "stock prices fell", "the cell wall", "prices of stock"]
    weight = dsir.importance(texts, ["a cell", "the cell wall divides"])
    assert set(np.argsort(-weight)[:2].tolist()) == {0, 2}
    ratio = dsir._log_frequency([dsir.hashed_ngrams(t) for t in ["a cell", "the cell wall divides"]])
    pool = dsir._log_frequency([dsir.hashed_ngrams(t) for t in texts])
    assert weight[1] == pytest.approx(sum((ratio - pool)[b] for b in dsir.hashed_ngrams(texts[1])))
