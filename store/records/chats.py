"""Chats column by column: the fast twin of what store.records.record does with `messages`.

A chat that is plainly good gets its last turn as completion, and `opening`: what stands before the completion
where contents are hashed. Any other row with messages loses its completion, by which it is left to
parse_record.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from store.records.record import MAX_MESSAGES, ROLES, SCHEMA

Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]
MESSAGES = SCHEMA.field("messages").type
TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))  # as users send them
_BEFORE = pa.scalar(b"\xfe", pa.binary())  # of each role and content


def opened(table: pa.Table) -> pa.Table:
    """Rows of prompt, completion and perhaps messages (TURNS): with `opening`, and messages as in SCHEMA."""
    prompts = table["prompt"].combine_chunks()
    if "messages" not in table.column_names or table["messages"].null_count == len(prompts):
        return _with(table, pa.nulls(len(prompts), MESSAGES), prompts.cast(pa.binary()), table["completion"])
    messages = table["messages"].combine_chunks()
    chats = _Chats(messages)
    completions = table["completion"].combine_chunks()
    good = chats.good & _flags(pc.is_null(prompts)) & _flags(pc.is_null(completions))
    turns, joined = chats.before_the_answer(good)
    own = pc.if_else(pc.is_null(messages), completions, None)
    answers = pc.if_else(pa.array(good), chats.answers(), own)
    return _with(table, turns, pc.coalesce(prompts.cast(pa.binary()), joined), answers)


class _Chats:
    """The turns of all rows side by side, and which rows are plainly good."""

    def __init__(self, messages: pa.ListArray) -> None:
        offsets = np.asarray(messages.offsets).astype(np.int64)
        turns = messages.values.slice(offsets[0], offsets[-1] - offsets[0])
        self._offsets = offsets - offsets[0]
        self._roles, self._contents = (turns.field(name) for name in ("role", "content"))
        self._counts = np.diff(self._offsets)
        self._last = np.maximum(self._offsets[1:] - 1, 0)
        known = pc.and_(pc.is_in(self._roles, pa.array(sorted(ROLES))), pc.is_valid(self._contents))
        whole = self._number(~_flags(pc.and_(known, pc.is_valid(turns)))) == 0
        asked = self._number(_flags(pc.fill_null(pc.equal(self._roles, "user"), False))) > 0
        sized = (self._counts >= 2) & (self._counts <= MAX_MESSAGES)
        good = whole & asked & sized & _flags(pc.is_valid(messages))
        answered = _flags(pc.fill_null(pc.equal(self._roles, "assistant"), False))
        self.good: Flags = good & (answered[self._last] if len(turns) else False)

    def answers(self) -> pa.Array:
        """The content of each row's last turn; anything where a row is not good."""
        places = pa.array(self._last) if len(self._contents) else pa.nulls(len(self._last), pa.int64())
        return self._contents.take(places)

    def before_the_answer(self, good: Flags) -> tuple[pa.Array, pa.Array]:
        """The other turns of the good rows, as SCHEMA has them, and joined for the content hash."""
        kept = np.repeat(good, self._counts)
        kept[self._last[good]] = False
        roles, contents = (column.filter(pa.array(kept)) for column in (self._roles, self._contents))
        offsets = np.concatenate([[0], np.cumsum(np.where(good, self._counts - 1, 0))]).astype(np.int32)
        none = pa.array(~good)
        struct = pa.StructArray.from_arrays([roles, contents], fields=list(MESSAGES.value_type))
        turns = pa.ListArray.from_arrays(pa.array(offsets), struct, type=MESSAGES, mask=none)
        order = np.arange(2 * len(roles)).reshape(2, -1).T.ravel()
        parts = pa.concat_arrays([roles, contents]).cast(pa.binary()).take(pa.array(order))
        lists = pa.ListArray.from_arrays(pa.array(2 * offsets), parts, mask=none)
        joined = pc.binary_join_element_wise(b"", pc.binary_join(lists, _BEFORE), _BEFORE)
        return turns, joined

    def _number(self, flags: Flags) -> Places:
        """Of the flags that are set, how many are in each row."""
        sums = np.concatenate([[0], np.cumsum(flags)])
        numbers: Places = sums[self._offsets[1:]] - sums[self._offsets[:-1]]
        return numbers


def _with(table: pa.Table, messages: pa.Array, opening: pa.Array, completion: pa.Array) -> pa.Table:
    columns = {name: table[name] for name in table.column_names}
    return pa.table({**columns, "messages": messages, "completion": completion, "opening": opening})


def _flags(column: pa.Array) -> Flags:
    flags: Flags = column.to_numpy(zero_copy_only=False)
    return flags
