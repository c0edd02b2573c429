"""The demo's numbers as a table on the terminal, as JSON, and as one HTML page without outside parts."""

import html
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Json = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One line of the table: where the number is in a row, and how it is written."""

    title: str
    path: tuple[str, ...]
    format: str = "{:.4f}"

    def of(self, row: Json) -> str:
        """The number as text; a dash where the row has none."""
        value: Any = row
        for key in self.path:
            value = value.get(key) if isinstance(value, dict) else None
        return "-" if value is None else self.format.format(value)


LINES = (
    Line("Answer NLL per token (lower is better)", ("answer_nll",)),
    Line("Cross-entropy over choices (lower is better)", ("choice_cross_entropy",)),
    Line("Accuracy (higher is better)", ("accuracy",), "{:.1%}"),
    Line("Share on target", ("draw", "on_target"), "{:.1%}"),
    Line("Share of wrong answers", ("draw", "noise"), "{:.1%}"),
    Line("Share of near-duplicates of drawn records", ("draw", "duplicates"), "{:.1%}"),
    Line("OT distance to the target", ("transport",)),
    Line("Gap certificate", ("gap",), "{:.3%}"),
)


def verdict(gains: dict[str, Json]) -> str:
    """The sentence below the table, whatever the intervals say."""
    parts = [f"{_points(gain)} against {name}" for name, gain in gains.items()]
    lows, highs = ([gain["interval"][end] for gain in gains.values()] for end in (0, 1))
    if min(lows) > 0:
        says = "training on the selection answers more questions right than training on either random draw"
    elif max(highs) < 0:
        says = "training on either random draw answers more questions right than training on the selection"
    else:
        says = "a random draw does as well: not all of the intervals exclude 0"
    return f"Accuracy: {', '.join(parts)} (points, 95 % paired by question). On these data {says}."


def _points(gain: Json) -> str:
    low, high = (100 * value for value in gain["interval"])
    return f"{100 * gain['difference']:+.1f} [{low:+.1f}, {high:+.1f}]"


def notes(result: Json) -> list[str]:
    """What a reader must know about the numbers."""
    data, plan = result["data"], result["plan"]
    kinds = data["by_kind"]
    return [
        f"Target: {data['target_records']} {data['target_set']} questions; test: {data['test_records']} "
        "others of the same set, split anew for this demo.",
        f"Pool: {data['pool_records']} candidates of {len(data['by_source'])} data sets, of which "
        f"{kinds['wrong_answer']} carry an injected wrong answer and {kinds['near_duplicate']} are injected "
        f"near-duplicates (seed {data['seed']}).",
        f"Each draw takes {plan['k']} candidates and trains {plan['base_model']} for {plan['steps']} steps "
        f"at learning rate {plan['learning_rate']} from the same seed.",
        "One training each: the intervals hold the chance of the questions, not that of the trainings, and "
        "this task was chosen because there is something to learn for it. docs/results.md has others, and "
        "several trainings.",
    ]


def print_table(result: Json, console: Console) -> None:
    """The comparison and the seconds per phase."""
    table = Table(title="What the selection bought", title_justify="left")
    table.add_column("")
    for name in result["rows"]:
        table.add_column(name, justify="right")
    for line in LINES:
        table.add_row(line.title, *(line.of(row) for row in result["rows"].values()))
    console.print(table)
    console.print(verdict(result["gains"]), style="bold", highlight=False)
    times = Table(title="Seconds per phase, all jobs together", title_justify="left")
    for name in (*result["seconds_per_phase"], "whole run"):
        times.add_column(name, justify="right")
    times.add_row(*(f"{value:.1f}" for value in (*result["seconds_per_phase"].values(), result["seconds"])))
    console.print(times)
    for note in notes(result):
        console.print(note, highlight=False)


def write(result: Json, folder: Path) -> list[Path]:
    """demo.json, demo.html and the report of every selection in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    as_json, as_html = folder / "demo.json", folder / "demo.html"
    numbers = {name: value for name, value in result.items() if name != "reports"}
    as_json.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    as_html.write_text(page(result), encoding="utf-8")
    written = [as_json, as_html]
    for place, text in enumerate(result["reports"].values(), 1):
        written.append(folder / report_name(place))
        written[-1].write_text(text, encoding="utf-8")
    return written


def report_name(place: int) -> str:
    """The file of one selection's report, which demo.html links to."""
    return f"selection-{place}.html"


STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0 2rem; }
th, td { padding: .35rem .8rem; border-bottom: 1px solid #8884; text-align: right; white-space: nowrap; }
th[scope=row] { text-align: left; font-weight: normal; white-space: normal; }
caption { text-align: left; font-weight: bold; padding-bottom: .3rem; }
"""


POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(result: Json) -> str:
    """One HTML page; all text escaped, nothing loaded from anywhere."""
    rows = result["rows"]
    body = [[line.title, *(line.of(row) for row in rows.values())] for line in LINES]
    times = [[name, f"{value:.1f}"] for name, value in result["seconds_per_phase"].items()]
    times.append(["whole run", f"{result['seconds']:.1f}"])
    machine = [[name, str(value)] for name, value in result.get("machine", {}).items()]
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>EvoSelect demo</title><style>{STYLE}</style></head><body><main><h1>EvoSelect demo</h1>",
        "".join(f"<p>{html.escape(note)}</p>" for note in notes(result)),
        _table("What the selection bought", ["", *rows], body),
        f"<p><strong>{html.escape(verdict(result['gains']))}</strong></p>",
        _links(result["reports"]),
        _table("Seconds per phase, all jobs together", ["phase", "seconds"], times),
        _table("Machine", ["", ""], machine),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _links(reports: dict[str, str]) -> str:
    items = (
        f"<li><a href='{report_name(place)}'>{html.escape(name)}</a></li>"
        for place, name in enumerate(reports, 1)
    )
    return f"<p>What each selection looks like:</p><ul>{''.join(items)}</ul>"


def _table(caption: str, head: list[str], body: list[list[str]]) -> str:
    top = "".join(f"<th scope='col'>{html.escape(cell)}</th>" for cell in head)
    lines = "".join(
        f"<tr><th scope='row'>{html.escape(first)}</th>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in body
    )
    return (
        f"<div class='wide'><table><caption>{html.escape(caption)}</caption>"
        f"<thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>"
    )
