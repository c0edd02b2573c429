"""Near-copies and leaks through the whole line: flagged, dropped where asked, kept where pinned."""

import random

from store.records.record import parse_record, to_table
from store.records.stored import Records
from tests.live import Json
from tests.workers.line import Line
from tests.workers.proxy import ALIAS
from workers.selections.near_copies import content_keys

NAMES = "what is the capital of france spain italy japan egypt peru paris madrid rome tokyo cairo lima"
WORDS = NAMES.split(" ")


def row(id: str, text: str) -> Json:
    return {"id": id, "prompt": f"{text} please", "completion": "paris"}


def prompts(count: int) -> list[str]:
    rng = random.Random(4)
    return [" ".join(rng.sample(WORDS, 9)) for _ in range(count)]


TEXTS = prompts(12)
TARGET = [row("t0", TEXTS[0]), row("t1", TEXTS[1])]
HELD = [row("e0", TEXTS[2])]
POOL = [
    *(row(f"p{number}", text) for number, text in enumerate(TEXTS[3:])),  # p0 .. p8
    row("copy", " ".join(reversed(TEXTS[3].split()))),  # of p0
    row("near-target", TEXTS[1].upper().lower() + " !"),
    row("near-held", " ".join(reversed(TEXTS[2].split()))),
    row("cased", TEXTS[4].upper()),  # of p1
]


def asked(line: Line, **spec: object) -> Json:
    found = {"threshold": 0.95, **spec}
    body = {"target": TARGET, "candidates": POOL, "k": 8, "model": ALIAS, "spec": {"near_copies": found}}
    return line.done("selections", body)


def test_copies_and_leaks_are_flagged_or_dropped(line: Line) -> None:
    held = line.api.made("/v1/targets", {"records": HELD})["id"]
    done = asked(line, against=[held])
    assert done["status"] == "completed", done["error"]
    said = done["result"]["near_copies"]
    target = done["request"]["target_id"]
    assert [(found["target_id"], found["candidates"]) for found in said["leaks"]] == [(target, 1), (held, 1)]
    assert said["leaks"][1]["listed"] == [
        {"id": "near-held", "partner": "e0", "similarity": 1.0, "run_share": 0.0}
    ]
    clusters = {found["representative"]: found["ids"] for found in said["clusters"]["listed"]}
    assert clusters == {"p0": ["p0", "copy"], "p1": ["p1", "cased"]}
    assert done["result"]["counts"]["left_out"] == {}
    candidate = line.api.get(f"/v1/selections/{done['id']}/candidates/near-held")
    assert [leak["partner"] for leak in candidate["leaks"]] == ["e0"]
    copy = line.api.get(f"/v1/selections/{done['id']}/candidates/copy")
    assert copy["cluster"] == {"representative": "p0", "rows": 2}
    items = line.api.get(f"/v1/selections/{done['id']}/items")["data"]
    flagged = {item["id"]: item["cluster"] for item in items if item["cluster"]}
    assert all(cluster["rows"] == 2 for cluster in flagged.values())
    report = line.api.get(f"/v1/selections/{done['id']}/report")
    assert report["near_copies"] == said
    assert report["near_copy_texts"]["leaks"][1] == [
        {"text": f"{POOL[11]['prompt']}\nparis", "partner_text": f"{HELD[0]['prompt']}\nparis"}
    ]
    assert report["near_copy_texts"]["clusters"][0] == [f"{POOL[n]['prompt']}\nparis" for n in (0, 9)]

    out = asked(line, against=[held], leaks="drop", within="drop")
    assert out["result"]["counts"]["left_out"] == {"leak": 2, "near_copy": 2}
    gone = line.api.get(f"/v1/selections/{out['id']}/candidates/near-held")
    assert (gone["status"], gone["reason"]) == ("not_usable", "leak")
    assert gone["leaks"] == candidate["leaks"]

    body = {"target": TARGET, "candidates": POOL, "k": 3, "model": ALIAS, "pinned": ["copy"]}
    kept = line.done("selections", {**body, "spec": {"near_copies": {"within": "drop", "threshold": 0.95}}})
    assert kept["result"]["near_copies"]["clusters"]["listed"][0]["representative"] == "copy"
    refused = line.done(
        "selections",
        {**body, "pinned": ["near-target"], "spec": {"near_copies": {"leaks": "drop", "threshold": 0.95}}},
    )
    assert refused["error"]["code"] == "unusable_pinned"
    assert "near-target cannot be selected (leak)" in refused["error"]["detail"]


def test_bad_settings_are_refused_by_name(line: Line) -> None:
    body = {"target": TARGET, "candidates": POOL, "k": 3, "model": ALIAS}
    for settings, status, words in (
        ({"against": ["tgt_" + "0" * 26]}, 404, "tgt_"),
        ({"against": ["nobody"]}, 404, "nobody"),
        ({"threshold": 0.2}, 422, "threshold"),
        ({"leaks": "keep"}, 422, "leaks"),
    ):
        answer = line.api.post("/v1/selections", {**body, "spec": {"near_copies": settings}})
        assert answer.status_code == status, answer.text
        assert words in answer.text


def test_same_text_is_one_content_where_asked() -> None:
    texts = ("Caf\u00e9 a", "cafe\u0301  A", "b")
    records = Records.of([to_table(parse_record({"prompt": text, "completion": "x"}) for text in texts)])
    assert len(set(content_keys(records, same_text=False))) == 3
    assert len(set(content_keys(records, same_text=True))) == 2
