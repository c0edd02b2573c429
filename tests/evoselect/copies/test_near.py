"""Near-copies of texts against comparing all pairs, and runs of words that sets have in common."""

import random

import numpy as np
import pytest

from evoselect.copies import near, runs
from evoselect.copies.find import Search
from evoselect.copies.words import Bags, Rarity, hashes, normalised, words

LEXICON = [f"w{number}" for number in range(4_000)]


def nobody() -> None:
    """Waits for a sign of life."""


def texts(count: int, length: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(LEXICON, k=length)) for _ in range(count)]


def changed(text: str, share: float, rng: random.Random) -> str:
    return " ".join(rng.choice(LEXICON) if rng.random() < share else word for word in text.split())


def similar_by_all_pairs(bags: Bags, rarity: Rarity, threshold: float) -> set[tuple[int, int]]:
    return {
        (first, second)
        for second in range(len(bags))
        for first in range(second)
        if rarity.similarity(bags[first], bags[second]) >= threshold
    }


def test_what_all_pairs_find_is_found() -> None:
    rng = random.Random(1)
    originals = texts(120, 25, 2)
    pool = originals + [changed(text, rng.choice([0.02, 0.08, 0.15]), rng) for text in originals]
    bags = Bags.of(map(hashes, pool))
    rarity = Rarity([bags])
    wanted = similar_by_all_pairs(bags, rarity, 0.6)
    found = near.within(bags, near.signatures(bags, rarity, nobody), rarity, 0.6)
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert len(wanted) > 80
    assert pairs <= wanted
    assert len(pairs) >= 0.98 * len(wanted)
    assert all(first % 120 == second % 120 for first, second in pairs)


def test_many_copies_of_one_text_are_one_cluster_at_little_cost() -> None:
    rng = random.Random(3)
    one = texts(1, 40, 5)[0]
    pool = texts(300, 40, 4) + [changed(one, 0.03, rng) for _ in range(60)]
    bags = Bags.of(map(hashes, pool))
    rarity = Rarity([bags])
    found = near.within(bags, near.signatures(bags, rarity, nobody), rarity, 0.6)
    (cluster,) = near.clusters(found, 360)
    assert cluster.tolist() == list(range(300, 360))
    assert len(found.first) < 60 * 59 / 2


def test_a_template_makes_no_copies_and_hides_none() -> None:
    rng = random.Random(3)
    head = "You are a careful assistant. Answer the following question in one sentence, and only that."
    bare = texts(60, 9, 6)
    pool = [f"{head} {text}" for text in bare] + [changed(text, 0.06, rng) for text in bare[:20]]
    clusters, _ = Search.of(pool, nobody).find([], 0.55)
    assert all(len(members) == 2 and members[1] == members[0] + 60 for members in clusters)
    assert len(clusters) >= 18


def test_order_case_marks_and_unicode_form_do_not_matter() -> None:
    assert words("Caf\u00e9, \u00c9T\u00c9!") == words("cafe\u0301 e\u0301te\u0301")
    assert normalised(" A\u00c9\n b ") == normalised("ae\u0301 B")
    assert normalised("a b") != normalised("ab")
    assert words("\u65e5\u672c\u8a9e abc") == ["\u65e5", "\u672c", "\u8a9e", "abc"]
    assert words("?!") == ["?!"]
    assert words("  ") == [""]


def test_a_question_within_a_longer_text_is_a_leak_and_a_shared_instruction_is_none() -> None:
    head = " ".join(f"instruction{number}" for number in range(20))
    questions = [f"{head} what is {text}" for text in texts(30, 16, 7)]
    pool = [f"{head} what was {text}" for text in texts(40, 16, 8)] + [f"{head} what is {LEXICON[0]}"]
    pool[11] = f"{texts(1, 60, 9)[0]} {questions[4].removeprefix(head)} {texts(1, 60, 10)[0]}"
    _, (found,) = Search.of(pool, nobody).find([questions], 0.7)
    assert list(found) == [11]
    leak = found[11]
    assert (leak.partner, leak.similarity) == (4, 0.0)
    assert leak.run_share == pytest.approx(6 / 26)  # of the runs of 38 words those without the head


def test_the_nearest_example_is_the_partner() -> None:
    rng = random.Random(5)
    target = texts(30, 20, 11)
    pool = [*texts(30, 20, 12), changed(target[8], 0.06, rng), target[9].upper()]
    _, (found,) = Search.of(pool, nobody).find([target], 0.7)
    assert {row: leak.partner for row, leak in found.items()} == {30: 8, 31: 9}
    assert found[31].similarity == pytest.approx(1.0)
    assert found[31].run_share == pytest.approx(1.0)
    assert found[30].similarity < 1.0


def test_runs_are_those_of_thirteen_words() -> None:
    text = hashes(" ".join(LEXICON[:20]))
    assert len(runs.runs(text)) == 8
    assert len(runs.runs(text[:12])) == 0
    assert runs.runs(text[3:17]).tolist() == runs.runs(text)[3:5].tolist()


@pytest.mark.parametrize("pool", [[], ["one"], ["same", "same"], ["?", "!"], ["", ""]])
def test_odd_pools_are_looked_through(pool: list[str]) -> None:
    clusters, (leaks, nothing) = Search.of(pool, nobody).find([["one"], []], 0.7)
    assert nothing == {}
    assert set(leaks) == ({0} if pool == ["one"] else set())
    assert len(clusters) == (1 if len(set(pool)) < len(pool) else 0)


def test_similarity_is_the_weighted_overlap() -> None:
    bags = Bags.of(map(hashes, ["a b c", "a b d", "a e f"]))
    rarity = Rarity([bags])
    weight = {n: 0.05 + np.log(3 / n) for n in (1, 2, 3)}
    both = weight[3] + weight[2]
    assert rarity.similarity(bags[0], bags[1]) == pytest.approx(both / (both + 2 * weight[1]))
