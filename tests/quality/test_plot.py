"""The picture holds every method of every panel, and marks what is separable."""

from xml.etree import ElementTree

from benchmarks.quality.plot import forest

SVG = "{http://www.w3.org/2000/svg}"


def test_a_dot_for_each_difference_coloured_by_its_interval() -> None:
    better = {"difference": -0.2, "low": -0.3, "high": -0.1}
    unclear = {"difference": 0.1, "low": -0.1, "high": 0.3}
    picture = ElementTree.fromstring(
        forest({"A": {"x": better, "y<z": unclear}, "B": {"x": unclear}}, "t & t")
    )
    dots = picture.findall(f"{SVG}circle")
    assert len(dots) == 3
    assert [dot.get("fill") for dot in dots] == ["#1a7f37", "#555", "#555"]
    assert {"x", "y<z", "t & t"} <= {text.text for text in picture.iter(f"{SVG}text")}
    assert float(dots[0].get("cx", "")) < float(dots[1].get("cx", ""))
