"""Turns of a chat as users have them: role and content or from and value, parts, other names of roles.

What a record holds is role and text, and the tools that turns offer and call. What a chat template would
render and a record cannot hold (reasoning, pictures) is refused, never left out in silence.
"""

from typing import Any

from store.records.faults import InvalidRecord, kind_of, shown
from store.records.tool_use import WEIGHT, called, is_learnt, offered_tools

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
RENDERED = ("function_call", "reasoning_content", "thinking")  # by templates, beside content


def chat(field: str, given: object, tools: object = None) -> dict[str, object]:
    """The fields `messages` and, where tools are offered or called, `tool_use` of a record.

    `field` names the list in messages. Raises InvalidRecord.
    """
    if type(given) is not list:
        raise InvalidRecord("wrong_type", f"{field} must be a list of turns, got {kind_of(given)}.")
    turns, used = [], {}
    for number, turn in enumerate(given):
        plain, more = _turn(f"{field}[{number}]", turn)
        turns.append(plain)
        if more:
            used[str(number)] = more
    if used.get(str(len(turns) - 1), {}).get("tool_calls"):
        raise InvalidRecord(
            "not_only_text", f"{field} ends with a call of a tool, and answers are texts: leave the row out."
        )
    answers = [number for number, turn in enumerate(turns) if turn["role"] == "assistant"]
    if answers[-1:] == [len(turns) - 1] and not any(is_learnt({"turns": used}, one) for one in answers):
        raise InvalidRecord(
            "nothing_learnt",
            f"{field} has the weight 0 on every turn of the assistant, so nothing of it is learnt: leave the "
            "row out.",
        )
    use = {"tools": offered_tools(tools), "turns": used}
    use = {name: value for name, value in use.items() if value}
    return {"messages": turns, **({"tool_use": use} if use else {})}


def _turn(name: str, turn: object) -> tuple[dict[str, object], dict[str, Any]]:
    """Role and content, and what the turn has of tools."""
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
    content = _text(name, turn.get("content", turn.get("value")))
    calls = called(name, turn.get("tool_calls"))
    more: dict[str, Any] = {"tool_calls": calls} if calls else {}
    if ROLES[role] == "tool":
        more |= {key: turn[key] for key in ("tool_call_id", "name") if type(turn.get(key)) is str}
    weight = _weight(name, turn.get(WEIGHT))
    if weight == 0 and ROLES[role] == "assistant":
        more[WEIGHT] = 0
    return {"role": ROLES[role], "content": "" if content is None and calls else content}, more


def _weight(name: str, given: object) -> int:
    """1 for a turn that is learnt, as without one; 0 for one that is not (OpenAI's fine-tuning format)."""
    if given is None or (type(given) in (int, float) and given == 1):
        return 1
    if type(given) in (int, float) and given == 0:
        return 0
    raise InvalidRecord(
        "bad_weight",
        f"{name} has the weight {shown(given)}; send 1 for a turn that is learnt and 0 for one that is not.",
    )


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
