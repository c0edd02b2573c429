"""The report of a loop as one HTML page: nothing is loaded from anywhere, as in the report of a selection."""

from service.html.charts import with_interval
from service.html.templates import asset, number, percent, policy, templates
from service.loops import healths
from service.loops.round_charts import MEASURES, charts
from store.kit.json import Json

STYLES = ("uplot.min.css", "base.css", "charts.css", "report.css")
SCRIPTS = ("uplot.min.js", "charts.js", "map.js", "loop_report.js")


def page(report: Json) -> str:
    """The whole document."""
    style, scripts = asset(*STYLES), [asset(name) for name in SCRIPTS]
    return (
        templates()
        .get_template("loop_report.html")
        .render(
            report=report,
            charts=charts(_measured(report)),
            paired=[_paired(one) for one in report["rounds"] if one["paired"]],
            health=healths.table([(one["number"], one["health"]) for one in report["rounds"]]),
            warnings=[
                {"round": one["number"], **warning}
                for one in report["rounds"]
                for warning in (one["health"] or {}).get("warnings", ())
            ],
            maps=[_map(one) for one in report["rounds"] if one["map"]],
            rounds=[_round(one) for one in report["rounds"]],
            style=style,
            scripts=scripts,
            policy=policy(style, scripts),
        )
    )


def _measured(report: Json) -> dict[str, dict[int, Json]]:
    arms = {arm for one in report["rounds"] for arm in one["arms"]}
    found = {}
    for arm in sorted(arms, reverse=True):  # the selected arm before the random one
        own = {one["number"]: one["arms"][arm]["evaluation"] for one in report["rounds"]}
        found[arm] = {number: one for number, one in {0: report["base"], **own}.items() if one}
    return found


def _round(one: Json) -> list[str]:
    selected = one["arms"]["selected"]
    candidates = one["generated"].get("candidates")
    ids = [selected[f"{name}_id"] or "" for name in ("selection", "training", "model")]
    return [number(one["number"]), one["state"], number(candidates), number(one["gain"]), *ids]


def _paired(one: Json) -> list[str]:
    found = one["paired"]
    measure = MEASURES[found["measure"]][0]
    change = with_interval(found["difference"], found["interval"])
    sides = [number(found[name]) for name in ("second", "first")]
    return [number(one["number"]), measure, *sides, change, number(found["p_value"]), number(found["n"])]


def _map(one: Json) -> Json:
    """A picture with its line of the table below."""
    found = one["map"]
    means = [number(at) for kind in ("selected", "target") for at in found["points"][kind]["mean"]]
    return {
        "number": one["number"],
        "points": found["points"],
        "trust": number(found["trustworthiness"]),
        "row": [
            number(one["number"]),
            number(found["trustworthiness"]),
            percent(sum(found["explained_variance"])),
            "of this round" if found["axes"] is None else f"of round {found['axes']['round']}",
            *means,
        ],
    }
