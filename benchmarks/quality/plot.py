"""Differences to random draws with their intervals, as an SVG picture."""

from html import escape
from typing import Any

PANEL, ROW, NAMES, HEAD, GAP = 150, 18, 150, 46, 14  # pixels
STYLE = "<style>text{font:12px sans-serif;fill:#222}.s{font-size:10px;fill:#666}</style>"

Json = dict[str, Any]


def pictures(result: Json) -> dict[str, str]:
    """One for each metric of a summary, by file name: all tasks together, and each at the largest k."""
    found = {}
    for metric, of in result["by_metric"].items():
        panels = {"all tasks": _bounded(of["against_random"])}
        for cell, values in of["table"].items():
            if cell.endswith(f"k={of['k']}"):
                panels[cell] = _bounded(values)
        if any(panels.values()):
            what = "share of wrong answers" if metric == "accuracy" else metric.replace("_", " ")
            title = f"{what}: difference to random draws, 95 % intervals; left is better"
            found[f"quality-{metric}.svg"] = forest(panels, title)
    return found


def _bounded(values: dict[str, Json]) -> dict[str, Json]:
    """The methods that have an interval: some seeds tell its width."""
    return {name: value for name, value in values.items() if value.get("high") is not None}


def forest(panels: dict[str, dict[str, Json]], title: str) -> str:
    """A panel for each task: by method a dot and its interval; left of the line is better than random."""
    names = list(dict.fromkeys(name for values in panels.values() for name in values))
    reach = max(max(abs(v["low"]), abs(v["high"])) for values in panels.values() for v in values.values())
    width = NAMES + len(panels) * (PANEL + GAP)
    height = HEAD + len(names) * ROW + 24
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">', STYLE]
    parts += ['<rect width="100%" height="100%" fill="#fff"/>', _text(4, 14, title)]
    parts += [_text(4, HEAD + ROW * i + 13, name) for i, name in enumerate(names)]
    for number, (panel, values) in enumerate(panels.items()):
        left = NAMES + number * (PANEL + GAP)
        parts += _panel(panel, values, names, left, reach)
    return "\n".join([*parts, "</svg>", ""])


def _panel(title: str, values: dict[str, Json], names: list[str], left: int, reach: float) -> list[str]:
    middle, bottom = left + PANEL / 2, HEAD + len(names) * ROW
    scale = PANEL / 2 / reach
    parts = [_text(left, 34, title), _line(middle, HEAD, middle, bottom, "#999")]
    parts += [
        _text(left, bottom + 14, f"{-reach:.2f}", "s"),
        _text(left + PANEL - 22, bottom + 14, f"{reach:.2f}", "s"),
    ]
    for i, name in enumerate(names):
        if name not in values:
            continue
        value, y = values[name], HEAD + ROW * i + 9
        clear = value["high"] < 0 or value["low"] > 0
        colour = ("#1a7f37" if value["high"] < 0 else "#c0392b") if clear else "#555"
        low, high, at = (middle + scale * value[key] for key in ("low", "high", "difference"))
        parts += [
            _line(low, y, high, y, colour),
            f'<circle cx="{at:.1f}" cy="{y}" r="3.5" fill="{colour}"/>',
        ]
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x}" y="{y}"{f" class={kind!r}" if kind else ""}>{escape(text)}</text>'
