"""Student's distribution against scipy's."""

import pytest
from scipy import stats

from evoselect.verdicts.student import quantile, two_sided


@pytest.mark.parametrize("freedom", [0.7, 1.0, 2.3, 5.0, 30.0, 1e5, 1e8])
def test_tails_and_quantiles_are_scipys(freedom: float) -> None:
    for error in (0.5, 0.05, 0.05 / 28, 1e-6):
        wanted = float(stats.t.isf(error / 2, freedom))
        assert quantile(error, freedom) == pytest.approx(wanted, rel=1e-6)
        assert two_sided(wanted, freedom) == pytest.approx(error, rel=1e-5)
    assert two_sided(0.0, freedom) == pytest.approx(1.0)
