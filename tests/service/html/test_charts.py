"""The table below a chart has the numbers of its picture."""

from service.html.charts import Chart, Series, with_interval


def test_rows_are_x_and_each_series() -> None:
    series = [
        Series("a", "pool", [1, None, 3]),
        Series("b", "random", [0.5, 0.25, None], intervals=[(0.1, 0.9), None, None]),
    ]
    chart = Chart("title", "reading", "x", "y", [0, 1, 2], series)
    assert chart.rows() == [["0", "1", "0.5 (0.1 to 0.9)"], ["1", "—", "0.25"], ["2", "3", "—"]]


def test_an_interval_without_a_value_is_not_printed() -> None:
    assert with_interval(None, (0.0, 1.0)) == "—"
    assert with_interval(2.0, None) == "2"
