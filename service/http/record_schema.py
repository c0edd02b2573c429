"""The JSON Schema of a record, for the OpenAPI document; store/records/record.py is what checks one."""

from typing import Any

from service.http.json_pieces import MAX_VALUES
from store.records.record import (
    FIELDS,
    MAX_CHOICES,
    MAX_EXTRA_BYTES,
    MAX_ID_CHARS,
    MAX_MESSAGES,
    MAX_METADATA_BYTES,
    MAX_TEXT_CHARS,
    ROLES,
)

LEAST_MEMBER = 5  # bytes of a member of an object: `"":0,`

_TEXT = {"type": "string", "maxLength": MAX_TEXT_CHARS}
_FILLED = {**_TEXT, "minLength": 1, "pattern": r"\S"}
_NAME = {"type": ["string", "null"], "minLength": 1, "maxLength": MAX_ID_CHARS}
_TURN = {
    "type": "object",
    "properties": {"role": {"enum": sorted(ROLES)}, "content": _TEXT},
    "required": ["role", "content"],
    "additionalProperties": False,
}
RECORD: dict[str, Any] = {
    "type": "object",
    "description": "One example: exactly one of prompt and messages, and what is learnt. Rows of other "
    "shapes, with other columns, are taken too (format, columns); what no field takes becomes `extra`.",
    "properties": {
        "id": _NAME,
        "prompt": _FILLED,
        "messages": {"type": "array", "items": _TURN, "minItems": 1, "maxItems": MAX_MESSAGES},
        "completion": _FILLED,
        "choices": {"type": "array", "items": _FILLED, "minItems": 2, "maxItems": MAX_CHOICES},
        "answer": {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_CHOICES - 1,
            "description": "Index into choices, from 0.",
        },
        "group": _NAME,
        "quality": {
            "type": ["number", "null"],
            "minimum": 0,
            "maximum": 1,
            "description": "From a verifier of yours; see least_quality of a selection.",
        },
        "metadata": {
            "type": ["object", "null"],
            "maxProperties": MAX_METADATA_BYTES // LEAST_MEMBER,
            "description": f"At most {MAX_METADATA_BYTES} bytes as compact JSON.",
        },
        "extra": {
            "type": ["object", "null"],
            "maxProperties": MAX_EXTRA_BYTES // LEAST_MEMBER,
            "description": f"At most {MAX_EXTRA_BYTES} bytes as compact JSON.",
        },
        "tool_use": {
            "type": ["object", "null"],
            "maxProperties": 2,
            "description": "Tools that a chat offers and calls, as a record has them: tools and turns.",
        },
    },
    "additionalProperties": True,
    "maxProperties": len(FIELDS) + MAX_EXTRA_BYTES // LEAST_MEMBER,
}
RECORDS: dict[str, Any] = {"type": "array", "items": RECORD, "minItems": 1, "maxItems": MAX_VALUES}
