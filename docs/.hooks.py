"""Builds of the pages: the list of decisions is made from their files."""

from pathlib import Path
from typing import Any

DECISIONS = Path(__file__).parent / "decisions"


def on_page_markdown(markdown: str, page: Any, **more: Any) -> str:
    """Append the list to its page."""
    if page.file.src_uri != "decisions/index.md":
        return markdown
    files = sorted(DECISIONS.glob("0*.md"))
    titles = [(path, path.read_text().splitlines()[0].lstrip("# ").strip()) for path in files]
    return markdown + "\n" + "\n".join(f"- [{title}]({path.name})" for path, title in titles) + "\n"
