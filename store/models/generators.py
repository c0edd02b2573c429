"""The operator's list of generators: an alias names a URL and where its key lies; users see aliases alone.

A key goes to the URL that the operator wrote beside it and nowhere else. It is read by the worker that asks,
from a file or a variable of its own, and is never stored.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from store.errors import Invalid
from store.kit.egress import Refused, parse


class BadEndpoints(ValueError):
    """The operator's list cannot be used; the message names the entry."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask, and where the key lies."""

    url: str
    """Base URL, such as https://host/v1."""
    api_key_env: str = ""
    """Name of a variable of the worker's environment."""
    api_key_file: str = ""
    """Path of a file on the worker's machine."""

    def key(self) -> str | None:
        """The secret; None where the endpoint wants none. Raises Invalid when it is not at its place."""
        if not (self.api_key_env or self.api_key_file):
            return None
        try:
            found = Path(self.api_key_file).read_text() if self.api_key_file else os.environ[self.api_key_env]
        except (OSError, KeyError):
            found = ""
        if not found.strip():
            place = f"the file {self.api_key_file}" if self.api_key_file else f"${self.api_key_env}"
            raise Invalid(f"this worker finds no key in {place}: put it there", code="generator_without_key")
        return found.strip()


def endpoints(listing: Path | None) -> dict[str, Endpoint]:
    """The entries of the operator's JSON file ``{alias: {url, ...}}``; raises BadEndpoints."""
    if listing is None:
        return {}
    try:
        entries = json.loads(listing.read_text())
        return {alias: _endpoint(alias, entry) for alias, entry in entries.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise BadEndpoints(f"{listing} cannot be used: {error}") from error


def find(alias: str, listing: Path | None, pointer: str = "/generator") -> Endpoint:
    """The endpoint of an alias, which the request names below `pointer`; raises Invalid."""
    known = endpoints(listing)
    if alias not in known:
        noun = pointer.removeprefix("/")
        raise Invalid(
            f"there is no {noun} {alias!r:.80}: use {', '.join(sorted(known)) or 'url'}",
            code="unknown_endpoint",
            pointer=f"{pointer}/endpoint",
        )
    return known[alias]


def _endpoint(alias: str, entry: object) -> Endpoint:
    if not isinstance(entry, dict):
        raise BadEndpoints(f"endpoint {alias!r} must be an object")
    try:
        endpoint = Endpoint(**entry)
        parse(endpoint.url, plain=True)
    except (TypeError, Refused) as error:
        raise BadEndpoints(f"endpoint {alias!r}: {error}") from error
    return endpoint
