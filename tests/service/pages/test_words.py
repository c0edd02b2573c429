"""What pages say of records, events and selections: pure."""

import pytest

from service.pages import facts, words
from service.pages.records import filters, views
from service.selections.report_responses import ReportedTarget, ReportedTargets
from service.selections.report_summary import Summary, summary
from service.selections.result_responses import Diagnostics, Measures, RowCounts
from store.kit.json import Json

CHAT = {
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}],
    "completion": "Ho",
}


def test_a_chat_is_shown_as_a_chat() -> None:
    assert [(turn["role"], turn["text"]) for turn in views.turns(CHAT)] == [
        ("user", "Hi"),
        ("assistant", "Ho"),
    ]
    answer = {"messages": CHAT["messages"][:1], "completion": "Else"}
    assert [turn["text"] for turn in views.turns(answer)] == ["Hi", "Else"]
    plain = views.shown(
        {"prompt": "2?", "completion": "4", "choices": ["3", "4"], "answer": 1, "extra": {"n": 3}}
    )
    assert [choice["right"] for choice in plain["choices"]] == [False, True]
    (chip,) = plain["extra"]
    assert (chip["name"], chip["text"], chip["whole"]) == ("n", "3", "3")
    (given,) = views.shown({"prompt": "a", "completion": "b", "metadata": {"n": "x" * 200}})["extra"]
    assert given["whole"] is None  # a filter asks for columns alone
    assert given["text"] == "x" * views.CHIP + "…"


def test_a_hash_is_no_name() -> None:
    assert views.named({"id": "a" * 64, "content_hash": "a" * 64}) == ""
    assert views.named({"id": "own", "content_hash": "a" * 64}) == "own"


def test_differences_are_marked_by_words() -> None:
    pieces = views.marked("the cat sat down", "the dog sat down here")
    assert pieces == [(True, "the "), (False, "dog "), (True, "sat down "), (False, "here ")]
    assert views.marked("", "new") == [(False, "new ")]
    assert views.marked("same", "same") == [(True, "same ")]


def test_a_beginning_is_one_line_and_short() -> None:
    assert views.beginning({"prompt": "a\n\nb", "completion": "c"}) == "a b c"
    assert views.beginning({"prompt": "x" * 900, "completion": ""}) == "x" * views.BEGINNING + "…"


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"type": "job.queued", "data": {"shards": 2}}, "Accepted; waits for its turn"),
        ({"type": "phase.started", "data": {"phase": "transport"}}, "Choosing begins"),
        (
            {"type": "training.metrics", "data": {"step": 2, "steps": 9, "loss": 1.23456}},
            "Step 2 of 9, loss 1.23",
        ),
        ({"type": "step.started", "data": {"step": "random.train"}}, "Random: train begun"),
        ({"type": "round.generated", "data": {"round": 3}}, "Candidates of round 3 are there"),
        ({"type": "something.new", "data": None}, "Something new"),
    ],
)
def test_events_are_words(event: dict[str, object], text: str) -> None:
    assert words.of_event(event) == text


def test_phases_stand_in_order() -> None:
    one = {"done": 1, "total": 2, "seconds": 1.0}
    shown = facts.phases({"transport": one, "features": one, "odd": one})
    assert [phase["name"] for phase in shown] == [words.PHASE_WORDS["features"], "Choosing", "odd"]


def test_sizes_have_units() -> None:
    assert [facts.size(n) for n in (0, 999, 1_000, 2_500_000, 10**10)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "2.5 MB",
        "10.0 GB",
    ]


def test_a_page_of_records_says_where_it_is() -> None:
    asked = filters.Filter(search="a b", columns=(("source", "web"),), after=20)
    found = filters.browsed(asked, [{}], 40, 100, kept=[("show", "left_out")])
    assert found["told"] == "1 found in 21 to 40 of 100"
    assert found["more"] == "show=left_out&search=a+b&extra.source=web&after=40"
    assert found["first"] == "show=left_out&search=a+b&extra.source=web"
    assert filters.browsed(filters.Filter(), [{}] * 3, None, 3)["told"] == "1 to 3 of 3"
    assert filters.browsed(filters.Filter(), [], None, 0)["told"] == "0 of 0"
    assert filters.browsed(asked, [], 40, 100)["onward"] == "Look further"
    assert filters.browsed(filters.Filter(), [{}] * 3, None, 9, part=True)["told"] == "3 found in 1 to 9 of 9"
    coloured = filters.Filter(search="a", colour="source", after=20)
    assert coloured.only("lang", "de", [("show", "target")]) == (
        "show=target&search=a&colour=source&extra.lang=de"
    )


def test_columns_add_up_and_each_is_taken_away_by_its_own_link() -> None:
    asked = filters.Filter(search="a", columns=(("source", "web"), ("lang", "de")), least="0.5", floor=0.5)
    assert asked.extra == {"source": "web", "lang": "de"}
    assert asked.only("lang", "en") == "search=a&least=0.5&extra.source=web&extra.lang=en"
    assert asked.chips("Score") == [
        ("text", "a", "least=0.5&extra.source=web&extra.lang=de"),
        ("source", "web", "search=a&least=0.5&extra.lang=de"),
        ("lang", "de", "search=a&least=0.5&extra.source=web"),
        ("Score from", "0.5", "search=a&extra.source=web&extra.lang=de"),
    ]
    assert asked.elsewhere([("show", "target")]) == "show=target&search=a&extra.source=web&extra.lang=de"
    assert asked.on_the_map == "#extra.source=web&extra.lang=de"
    assert filters.Filter().chips("Score") == []
    assert filters.Filter().on_the_map == ""


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "high"])
def test_a_least_score_is_a_number(text: str) -> None:
    assert filters._number(text) == (None, f"{text} is no number: write one such as 0.25, or leave it empty.")
    assert filters._number("0,5") == (0.5, "")


def test_a_form_adds_a_column_up_to_the_most() -> None:
    def read(extra: dict[str, str], column: str) -> filters.Filter:
        return filters._filter(extra=extra, column=column, value="v")

    assert read({"a": "1"}, " b ").columns == (("a", "1"), ("b", "v"))
    assert read({"a": "1"}, "a").columns == (("a", "v"),)
    full = {f"c{n}": "" for n in range(16)}
    assert read(full, "c3").extra["c3"] == "v"
    assert "16 columns are the most" in read(full, "d").fault


COUNTS = RowCounts(pool=1000, usable=1000, left_out={}, target=20, target_statuses={})
SOLVED = Diagnostics(k=100, candidates=1000, targets=20, bandwidth=0.1, group_shares={}, transport=0.5)
SERVED = ReportedTargets(chance=0.3, total=20, uncovered=0, listed=[])


def against(own: float, drawn: float) -> dict[str, Measures]:
    sides = {"selected": own, "random": drawn}
    return {
        name: Measures(rows=9, transport=transport, redundancy=0, vendi=1, coverage=0)
        for name, transport in sides.items()
    }


def told(measured: dict[str, Measures], targets: ReportedTargets, texts: dict[str, str]) -> Summary:
    return summary(counts=COUNTS, diagnostics=SOLVED, against=measured, targets=targets, texts=texts)


def test_the_summary_says_what_helps() -> None:
    found = told(against(0.6, 1.0), SERVED, {}).lines()
    assert found[0] == "100 of 1,000 candidates were chosen for 20 target examples."
    assert found[1] == "They are 40.0 % nearer to the target than a random draw of the same size."
    assert found[2] == "Every target example has something like it among them."
    assert found[3].startswith("Next: train on these")


def test_the_summary_does_not_praise_what_is_no_better() -> None:
    found = told(against(0.99, 1.0), SERVED, {})
    assert "no nearer" in found.better
    assert "a random draw does as well" in found.onward
    assert "farther from" in told(against(1.5, 1.0), SERVED, {}).better
    assert told({}, SERVED, {}).better == ""


def test_the_summary_names_what_is_missing_by_its_text() -> None:
    numbers: Json = {
        "group": None,
        "mass": 0.5,
        "items": 1,
        "mean_cosine": 0,
        "best_selected": 0,
        "best_in_pool": 0,
    }
    names = {"a" * 64: True, "b": False}
    listed = [ReportedTarget(id=id, uncovered=alone, **numbers) for id, alone in names.items()]
    some = ReportedTargets(chance=0.3, total=20, uncovered=1, listed=listed)
    found = told(against(0.5, 1.0), some, {"a" * 64: "What is 2 + 2?", "b": "no"})
    assert found.missing == "1 of the target examples has nothing like them in it, such as “What is 2 + 2?”."
    assert "a" * 64 not in " ".join(told({}, some, {}).lines())
