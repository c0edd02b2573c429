"""Writes the OpenAPI document into docs: `python -m service.write_openapi`."""

import json
import tempfile
from pathlib import Path

from service.app import create_app
from store.settings import Settings

FILE = Path(__file__).parents[1] / "docs" / "openapi.json"


def main() -> None:
    """Write docs/openapi.json."""
    FILE.write_text(text())


def text() -> str:
    """The document as the file holds it; no server is asked."""
    with tempfile.TemporaryDirectory() as home:
        url = "postgresql+psycopg://nobody@127.0.0.1:1/none"
        settings = Settings(home=Path(home), database_url=url, artifacts_url=f"file://{home}")
        return json.dumps(create_app(settings).openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
