"""The k candidates against the integral optimum, which branch and bound finds for small instances."""

import numpy as np
import pytest

from benchmarks.instances import synthetic
from benchmarks.transport.integrality import compared

# (n, m, k): k / m is not whole, where the linear programme is out of reach of every k-subset
SMALL = [(40, 3, 7), (40, 4, 7), (60, 4, 9), (60, 5, 13), (60, 5, 23), (60, 8, 11), (50, 12, 5)]


@pytest.mark.parametrize(("n", "m", "k"), SMALL)
def test_rounding_is_within_one_percent_of_the_integral_optimum(n: int, m: int, k: int) -> None:
    found = compared(synthetic(n, m, 10, seed=1, modes=5, unseen=1), k)
    assert found.proven
    assert found.programme <= found.integral * (1.0 + 1e-6)
    assert found.integral <= found.ours * (1.0 + 1e-6)
    assert found.ours <= 1.01 * found.integral
    assert np.isfinite(found.ours)
