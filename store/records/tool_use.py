"""Tools in a chat: which are offered, and which turns call them, answer a call or are not learnt.

    {"tools": [{"type": "function", "function": {"name", ...}}, ...],
     "turns": {"1": {"tool_calls": [...], "tool_call_id": str, "name": str, "weight": 0}}}   by turn, from 0

Both parts may be left out. The texts of the turns stand in `messages`, as of any chat; a chat template gets
both. Answers are texts: a record cannot end with a call. The answer's own number is that of the turns before
it, and it has nothing but a weight.
"""

from typing import Any

import orjson

from store.records.faults import InvalidRecord, kind_of, shown

MAX_TOOL_BYTES = 65_536  # as compact JSON
WEIGHT = "weight"  # 0 for a turn of the assistant that is read and not learnt; others have none
OF_A_TURN = frozenset(("tool_calls", "tool_call_id", "name", WEIGHT))


def check_tool_use(used: dict[str, Any], turns: int) -> None:
    """Raises InvalidRecord unless this is tool use of a chat with so many turns before the answer."""
    if not turns or not used.keys() <= {"tools", "turns"} or not used:
        raise InvalidRecord(
            "bad_tool_use", f"tool_use holds tools and turns, beside messages: it is {shown(used)}."
        )
    offered_tools(used.get("tools"))
    of_turns = used.get("turns", {})
    if type(of_turns) is not dict:
        raise InvalidRecord("bad_tool_use", f"tool_use.turns must be an object, got {kind_of(of_turns)}.")
    for number, turn in of_turns.items():
        if not (number.isascii() and number.isdigit() and int(number) <= turns):
            raise InvalidRecord(
                "bad_tool_use", f"tool_use.turns names turn {shown(number)}; there are 0 to {turns}."
            )
        may = OF_A_TURN if int(number) < turns else {WEIGHT}
        if type(turn) is not dict or not turn.keys() <= may:
            raise InvalidRecord(
                "bad_tool_use", f"tool_use.turns[{number}] must hold {', '.join(sorted(may))} alone."
            )
        if turn.get(WEIGHT, 0) != 0:
            raise InvalidRecord(
                "bad_weight",
                f"tool_use.turns[{number}].weight is {shown(turn[WEIGHT])}; leave it out or send 0.",
            )
        called(f"messages[{number}]", turn.get("tool_calls"))


def is_learnt(used: dict[str, Any] | None, number: int) -> bool:
    """Whether the turn of that number, one of the assistant's, is learnt: no weight says otherwise."""
    return WEIGHT not in (used or {}).get("turns", {}).get(str(number), {})


def offered_tools(tools: object) -> list[dict[str, Any]]:
    """The tools of a row: a list, its JSON as text, or nothing; raises InvalidRecord."""
    if tools is None or tools == "":
        return []
    if type(tools) is str:
        try:
            tools = orjson.loads(tools)
        except orjson.JSONDecodeError:
            raise InvalidRecord("bad_tool_use", f"tools is no JSON list: {shown(tools)}.") from None
    return _functions("tools", tools)


def called(name: str, calls: object) -> list[dict[str, Any]]:
    """The calls of a turn; raises InvalidRecord."""
    return [] if calls is None else _functions(f"{name}.tool_calls", calls)


def function_of(tool: dict[str, Any]) -> dict[str, Any]:
    """Name and the rest of a tool or a call, which may stand below `function`."""
    inner = tool.get("function")
    return inner if type(inner) is dict else tool


def _functions(name: str, given: object) -> list[dict[str, Any]]:
    if type(given) is not list:
        raise InvalidRecord("bad_tool_use", f"{name} must be a list, got {kind_of(given)}.")
    for number, tool in enumerate(given):
        if type(tool) is not dict or type(function_of(tool).get("name")) is not str:
            raise InvalidRecord(
                "bad_tool_use", f"{name}[{number}] has no function with a name: {shown(tool)}."
            )
    return given
