"""JSON columns: what cannot be stored is not written, and whatever is stored can be read.

PostgreSQL holds numbers of any size and gives them back digit by digit; JSON encoders and arithmetic end at
64 bits. It holds neither the character 0 nor half of a surrogate pair, which texts from outside may have.
"""

import json
import sys
from typing import Any

import orjson

TOO_DEEP = {"unreadable": "The stored value is nested too deeply to be shown."}
REPLACEMENT = "\ufffd"


def dumps(value: Any) -> str:
    """As a JSON column takes it; characters that it cannot hold become U+FFFD."""
    text = json.dumps(value, ensure_ascii=False)
    if "\\u0000" in text or not _is_utf8(text):
        return json.dumps(_storable(value), ensure_ascii=False)
    return text


def loads(text: str | bytes) -> Any:
    """The value; whole numbers beyond 64 bits come as floats, those beyond floats as the largest one."""
    try:
        return orjson.loads(text)  # takes integers beyond 64 bits as floats too
    except orjson.JSONDecodeError:
        try:
            return _storable(json.loads(text, parse_int=_number, parse_float=_number))
        except RecursionError:
            return TOO_DEEP


def storable(text: str) -> str:
    """The text with what PostgreSQL cannot hold replaced."""
    return text.replace("\0", REPLACEMENT).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _number(text: str) -> int | float:
    if text.lstrip("-").isdigit() and len(text) <= 18:  # below 2^63
        return int(text)
    return max(-sys.float_info.max, min(sys.float_info.max, float(text)))


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(str(name)): _storable(member) for name, member in value.items()}
    return [_storable(member) for member in value] if isinstance(value, (list, tuple)) else value


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
