"""A picture that keeps neighbours together, and clusters with the words that set them apart.

t-SNE and k-means are scikit-learn's, seeded; the words are ranked here, by how much more often a cluster's
texts have them than all texts do.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.manifold import TSNE
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.copies.words import words
from evoselect.report import plane

FEWEST = 2 * plane.NEIGHBOURS + 1  # rows: below them trustworthiness is not defined
PERPLEXITY = 30.0  # neighbours that a row is laid beside, about
ITERATIONS = 500
BEGIN = 1e-4  # spread of the points that t-SNE begins with
CLUSTERS = 8  # at most: colours that can be told apart
CLUSTER_ROWS = 10  # for each cluster, at least
STARTS = 4  # of k-means: the best is taken
LABEL_WORDS = 3
SHORTEST = 3  # letters of a word that labels
SHARED = 2  # texts of a cluster that have it, at least
OFTENER = 1.5  # times as many of its texts as of all


@dataclass(frozen=True)
class Neighbourhoods:
    """Points of some rows of a map by t-SNE, and the cluster of every row."""

    rows: Ints  # (s,) places on the map, ascending
    points: Floats  # (s, 2)
    perplexity: float
    trustworthiness: float | None
    cluster: Ints  # (n,) from 0


def neighbourhoods(features: Tensor, points: Floats, rows: Ints, seed: int) -> Neighbourhoods | None:
    """Of features (n, d), whose points (n, 2) in a plane t-SNE begins with; it draws ``rows`` (s,) alone.

    None for fewer than ``FEWEST`` rows. Equal features and seed give equal points on one thread.
    """
    if len(rows) < FEWEST:
        return None
    own = np.asarray(features[rows.tolist()].float().cpu().numpy())
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    spread = float(points[rows].std(axis=0).max()) or 1.0
    begin = (BEGIN * (points[rows] - points[rows].mean(axis=0)) / spread).astype(np.float32)
    drawing = TSNE(perplexity=perplexity, init=begin, max_iter=ITERATIONS, random_state=seed)
    drawn = np.asarray(drawing.fit_transform(own), dtype=np.float64)
    count = min(CLUSTERS, len(rows) // CLUSTER_ROWS, len(np.unique(own, axis=0)))
    means = KMeans(count, n_init=STARTS, random_state=seed).fit(own)
    asked = np.random.default_rng(seed).permutation(len(rows))[: plane.MOST]
    trusted = plane.trustworthiness(features[rows[asked].tolist()], drawn[asked])
    cluster = np.asarray(means.predict(features.float().cpu().numpy()), dtype=np.int64)
    return Neighbourhoods(rows, drawn, perplexity, trusted, cluster)


def labels(texts: Sequence[str], cluster: Ints) -> list[str]:
    """Of each cluster the words that most of all set its texts apart; texts and cluster (n,) are one by one.

    Empty for a cluster whose texts share no word that others lack.
    """
    bags = [{word for word in words(text) if len(word) >= SHORTEST} for text in texts]
    every = Counter(word for bag in bags for word in bag)
    found = []
    for number in range(int(cluster.max(initial=-1)) + 1):
        own = [bag for bag, at in zip(bags, cluster, strict=True) if at == number]
        counted = Counter(word for bag in own for word in bag)
        ranked = sorted(
            (-count / len(own) * math.log(times), word)
            for word, count in counted.items()
            if count >= SHARED and (times := count / len(own) * len(bags) / every[word]) >= OFTENER
        )
        found.append(", ".join(word for _, word in ranked[:LABEL_WORDS]))
    return found
