"""The candidates near the wanted ones, their rows, and which of them are alike (ours).

A larger lambda brings in more candidates, and those of a smaller one are among them with the same edges. So
its graph is a part of the larger one's: the curve over lambda reads and compares rows once.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from evoselect.arrays import Floats, Ints
from evoselect.capacity.shortlist import Shortlist
from evoselect.pools.pool import Pool
from evoselect.redundancy import diversity


@dataclass(frozen=True)
class Alike:
    """A shortlist's n candidates compared with each other."""

    listed: Shortlist
    graph: scipy.sparse.csr_array  # (n, n) of `diversity.similarity_graph`
    rows: Tensor  # (r, d) float32, of these candidates and maybe others
    place: Ints  # (n,) of each candidate in ``rows``, ascending

    def of(self, listed: Shortlist, g: Floats, s: float) -> "Alike":
        """The same for a shortlist of some of these candidates; g (M,) and ``s`` as of `compared`."""
        own = np.searchsorted(self.listed.candidates, listed.candidates)
        place = self.place[own]
        if len(own) <= diversity.BRUTE_ROWS < len(self.place):  # few enough to look at all pairs
            some = self.rows[torch.from_numpy(place).to(self.rows.device)]
            return Alike(listed, diversity.similarity_graph(some, listed.reduced(g), s), self.rows, place)
        return Alike(listed, self.graph[own][:, own], self.rows, place)


def compared(pool: Pool, listed: Shortlist, g: Floats, s: float) -> Alike:
    """The candidates of a shortlist of pool (N, d), whose cells go by prices g (M,); ``s`` the bandwidth."""
    rows = pool.gather(listed.candidates)
    graph = diversity.similarity_graph(rows, listed.reduced(g), s)
    return Alike(listed, graph, rows, np.arange(len(rows)))
