"""The files that pages name are served, under the address that browsers keep."""

import re

from service.html.templates import FOLDER
from service.pages.routes import STATICS

NAMED = re.compile(r"\{\{ statics \}\}/([\w.-]+)")


def test_every_file_that_a_page_names_is_served() -> None:
    texts = [path.read_text() for path in (FOLDER / "templates").rglob("*.html")]
    assert {name for text in texts for name in NAMED.findall(text)} - STATICS == set()
    assert not [text for text in texts if '"/ui/static/' in text]
