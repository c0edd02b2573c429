"""The verifiers `regex` and `json_schema`: an answer fits or it does not, and nobody is asked."""

from collections.abc import Callable, Sequence

from evoselect.spec.verifier import Exact
from store.loops.exact import check_of
from store.records.record import Record
from workers.verifiers.checking import State

STEP_RECORDS = 100  # between two checks whether the work must stop: some milliseconds


def score(asked: Exact, records: Sequence[Record], state: State, step: Callable[[], None]) -> None:
    """Score the answers, white space around them aside; raises what `step` raises."""
    fits = check_of(asked, "/verifier")
    for at, record in enumerate(records):
        state.scores[record.content_hash] = float(fits(record.completion.strip()))
        if at % STEP_RECORDS == 0:
            step()
