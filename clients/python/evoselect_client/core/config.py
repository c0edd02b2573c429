"""Where the service is and with which key: arguments, then environment, then embedded mode's file."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evoselect_client.errors import ConfigurationError


@dataclass(frozen=True)
class Endpoint:
    """Address and key of one service; the key stays out of repr()."""

    base_url: str
    api_key: str

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url!r})"


def resolve(base_url: str | None, api_key: str | None) -> Endpoint:
    """Arguments first, then EVOSELECT_URL and EVOSELECT_API_KEY, then the file that `evoselect up` writes.

    The file's key is used with the file's own address only: it is never sent to another server.
    """
    url = base_url or os.environ.get("EVOSELECT_URL")
    key = api_key or os.environ.get("EVOSELECT_API_KEY")
    if url is None or key is None:
        saved = read_credentials()
        if saved and (url is None or url.rstrip("/") == saved.base_url):
            url, key = saved.base_url, key or saved.api_key
    if url is None:
        raise ConfigurationError(
            "No service address: pass base_url, set EVOSELECT_URL, or start one here with `evoselect up` "
            f"(looked for {credentials_path()})."
        )
    if key is None:
        raise ConfigurationError(f"No API key for {url}: pass api_key or set EVOSELECT_API_KEY.")
    return Endpoint(url.rstrip("/"), key)


def credentials_path() -> Path:
    """The file of embedded mode: $EVOSELECT_HOME/credentials.json, by default in ~/.evoselect."""
    return Path(os.environ.get("EVOSELECT_HOME") or "~/.evoselect").expanduser() / "credentials.json"


def read_credentials(path: Path | None = None) -> Endpoint | None:
    """The address and key that `evoselect up` left, or None; a broken file is an error, not an absence."""
    path = path or credentials_path()
    try:
        value: Any = json.loads(path.read_text())
        return Endpoint(str(value["url"]).rstrip("/"), str(value["api_key"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error!r}): delete it and start `evoselect up`."
        ) from error
