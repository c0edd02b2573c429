"""The verifier `hook`: a service of the user's scores records by whatever it knows."""

from collections import Counter
from collections.abc import Sequence

import orjson

from evoselect.spec.verifier import HookVerifier
from store.records.record import Record
from workers.generators.calls import Calls
from workers.generators.completions import shown
from workers.verifiers.replies import Reply, score_of


class Hook:
    """`per_request` records a request."""

    def __init__(self, calls: Calls, asked: HookVerifier) -> None:
        self._calls, self.batch = calls, asked.per_request

    def scores(self, records: Sequence[Record]) -> Reply:
        """Raises NoResponse, or Invalid where another try is no use."""
        content, tries = self._calls.fetch({"records": [shown(record) for record in records]})
        found = _scores(content, len(records))
        counts = Counter({"requests": 1, "retries": tries - 1, "garbage": int(found is None)})
        return Reply(found or [None] * len(records), counts)


def _scores(content: bytes, wanted: int) -> list[float | None] | None:
    """One for each record, null for one without; None for an answer that has not as many."""
    try:
        given = orjson.loads(content)["scores"]
    except (ValueError, KeyError, TypeError):
        return None
    if type(given) is not list or len(given) != wanted:
        return None
    return [score_of(value) for value in given]
