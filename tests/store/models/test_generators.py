"""The operator's list of generators, and where their keys are read."""

import json
from pathlib import Path
from typing import Any

import pytest

from store.errors import Invalid
from store.models.generators import BadEndpoints, Endpoint, endpoints, find


def listing(tmp_path: Path, entries: Any) -> Path:
    path = tmp_path / "endpoints.json"
    path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
    return path


def test_an_alias_names_a_url_and_where_its_key_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("sk-1\n")
    path = listing(
        tmp_path,
        {
            "filed": {"url": "https://a.example/v1", "api_key_file": str(secret)},
            "named": {"url": "https://b.example/v1", "api_key_env": "KEY_OF_B"},
            "open": {"url": "http://10.0.0.5:8000/v1"},
        },
    )
    assert find("filed", path).key() == "sk-1"
    assert find("open", path) == Endpoint("http://10.0.0.5:8000/v1")
    assert find("open", path).key() is None
    with pytest.raises(Invalid, match=r"this worker finds no key in \$KEY_OF_B"):
        find("named", path).key()
    monkeypatch.setenv("KEY_OF_B", "sk-2")
    assert find("named", path).key() == "sk-2"
    with pytest.raises(Invalid, match="there is no generator 'other': use filed, named, open"):
        find("other", path)
    assert endpoints(None) == {}


@pytest.mark.parametrize(
    ("entries", "detail"),
    [
        ("[", "cannot be used"),
        ([], "cannot be used"),
        ({"a": "https://a.example"}, "'a' must be an object"),
        ({"a": {}}, "missing 1 required"),
        ({"a": {"url": "https://a.example", "key": "sk-in-clear"}}, "unexpected keyword argument 'key'"),
        ({"a": {"url": "ftp://a.example"}}, "use https"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(tmp_path: Path, entries: Any, detail: str) -> None:
    with pytest.raises(BadEndpoints, match=detail) as caught:
        endpoints(listing(tmp_path, entries))
    assert "sk-in-clear" not in str(caught.value)
