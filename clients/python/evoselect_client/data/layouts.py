"""What the sender says of rows that need not be records yet: shape, columns of the fields, template."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Layout:
    """`format` is the name of a shape, or None to have it recognised; `columns` maps fields to columns.

    `template` is Jinja that makes the prompt from a row's columns.
    """

    format: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    template: str | None = None

    def body(self) -> dict[str, Any]:
        """As members of a JSON body."""
        return {
            **({"format": self.format} if self.format else {}),
            **({"columns": dict(self.columns)} if self.columns else {}),
            **({"template": self.template} if self.template is not None else {}),
        }

    def query(self) -> dict[str, Any]:
        """As parameters of the query."""
        pairs = [f"{name}:{column}" for name, column in self.columns.items()]
        return {**self.body(), **({"columns": pairs} if pairs else {})}

    def mark(self, digest: str) -> str:
        """Names content with this digest that is read so; the digest itself where nothing is said."""
        said = self.body()
        if not said:
            return digest
        return hashlib.sha256((digest + json.dumps(said, sort_keys=True)).encode()).hexdigest()


def extra_query(extra: Mapping[str, Any] | None) -> dict[str, str]:
    """Parameters that ask for records with these values in `extra`: texts as they are, others as JSON."""
    return {
        f"extra.{name}": value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        for name, value in (extra or {}).items()
    }
