"""How alike two selections are, on items that can be counted by hand."""

import orjson
import pytest

from service.selections.comparing import Digest, change, coverage, digest, overlap, rank_correlation


def items(*rows: tuple[str, int, float]) -> list[str]:
    """Items with a hash, a rank, and the cosine to the one target."""
    return [
        orjson.dumps(
            {"id": "x", "content_hash": name, "rank": rank, "targets": [{"id": "t", "cosine": near}]}
        ).decode()
        for name, rank, near in rows
    ]


FIRST = digest([items(("a", 1, 0.5), ("b", 2, 0.9)), items(("c", 3, 0.1))])
SECOND = digest([items(("b", 1, 0.3), ("a", 2, 0.4), ("d", 3, 0.2))])


def test_contents_are_shared_whatever_their_order() -> None:
    found = overlap(FIRST, SECOND)
    assert (found.shared, found.only_first, found.only_second, found.jaccard) == (2, 1, 1, 0.5)


def test_ranks_correlate_over_what_both_have() -> None:
    assert rank_correlation(FIRST, FIRST) == 1.0
    assert rank_correlation(FIRST, SECOND) == -1.0
    assert rank_correlation(FIRST, Digest()) is None


def test_a_target_is_covered_by_its_nearest_item() -> None:
    found = coverage(FIRST, SECOND)
    assert (found.targets, found.better, found.worse) == (1, 0, 1)
    assert found.mean_cosine.change == pytest.approx(-0.5)
    assert [one.target for one in found.most_changed] == ["t"]


def test_selections_without_anything_in_common_have_no_means() -> None:
    found = coverage(FIRST, Digest())
    assert (found.targets, found.only_first, found.mean_cosine.first) == (0, 1, None)
    assert overlap(Digest(), Digest()).jaccard == 0.0
    assert change(None, 1.0).change is None
