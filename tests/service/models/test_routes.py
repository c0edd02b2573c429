"""The operator's list of models: allowed where it is sound, and the end of the start where it is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.services import open_state
from store.models.allow_list import BadModelList
from store.settings import Settings

ENTRY = {"kind": "folder", "location": "/models/own", "licence": "MIT"}


def settings(tmp_path: Path, entries: Any) -> Settings:
    path = tmp_path / "models.json"
    path.write_text(json.dumps(entries))
    url = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    return Settings(home=tmp_path, database_url=url, artifacts_url=f"file://{tmp_path}", models=path)


def test_an_own_model_stands_beside_the_built_in_ones(tmp_path: Path) -> None:
    known = open_state(settings(tmp_path, {"own": ENTRY})).models
    assert {"own", "smollm2-135m-instruct"} <= known.keys()


def test_a_list_that_is_not_pinned_is_refused(tmp_path: Path) -> None:
    entry = {"kind": "hub", "location": "a/b", "revision": "main"}
    with pytest.raises(BadModelList, match="pin the commit"):
        open_state(settings(tmp_path, {"own": entry}))
