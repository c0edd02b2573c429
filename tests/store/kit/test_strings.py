"""Every text within a JSON value, at any depth."""

from store.kit.strings import strings_of

NOTHING: tuple[object, ...] = (None, 3, {}, [])


def test_texts_are_found_in_objects_and_lists_and_keys_are_none() -> None:
    value: object = {"key": ["a", {"deep": "b"}, 1, None], "other": "c"}
    assert list(strings_of(value)) == ["a", "b", "c"]


def test_what_holds_no_text_gives_none() -> None:
    assert [list(strings_of(value)) for value in NOTHING] == [[], [], [], []]
