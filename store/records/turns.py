"""Turns of a chat as users have them: role and content or from and value, parts, other names of roles.

What a record holds is role and text. What a chat template would render and a record cannot hold (calls of
tools, reasoning) is refused, never left out in silence.
"""

from typing import Any

from store.records.faults import InvalidRecord, kind_of, shown

ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "ipython": "tool",
}
"""Names of roles, and the role that a record has for them."""
RENDERED = ("tool_calls", "function_call", "reasoning_content", "thinking")  # by templates, beside content


def plain_turns(field: str, given: object) -> list[dict[str, Any]]:
    """The turns as role and content; `field` names the list in messages. Raises InvalidRecord."""
    if type(given) is not list:
        raise InvalidRecord("wrong_type", f"{field} must be a list of turns, got {kind_of(given)}.")
    return [_turn(f"{field}[{number}]", turn) for number, turn in enumerate(given)]


def _turn(name: str, turn: object) -> dict[str, Any]:
    if type(turn) is not dict:
        raise InvalidRecord("bad_message", f"{name} must be an object, got {kind_of(turn)}.")
    for key in RENDERED:
        if turn.get(key):
            raise InvalidRecord(
                "not_only_text",
                f"{name} has {key}, and a record holds text only: write it into content as the model should "
                "learn it, or leave the row out with on_invalid=skip.",
            )
    role = turn.get("role", turn.get("from"))
    if type(role) is not str or role not in ROLES:
        raise InvalidRecord("bad_role", f"{name} has the role {shown(role)}; use one of {sorted(ROLES)}.")
    return {"role": ROLES[role], "content": _text(name, turn.get("content", turn.get("value")))}


def _text(name: str, content: object) -> object:
    """The content, its parts joined where it is a list of texts."""
    if type(content) is not list:
        return content
    for part in content:
        if type(part) is not dict or part.get("type") != "text" or type(part.get("text")) is not str:
            what = part.get("type") if type(part) is dict else part
            raise InvalidRecord(
                "not_only_text", f"{name}.content has a part of type {shown(what)}; records hold text only."
            )
    return "".join(part["text"] for part in content)
