"""Ids: unique, of one alphabet, and in the order of the milliseconds in which they were made."""

import os
import time

from store.kit.ids import ALPHABET, new_id


def test_ids_sort_by_their_time() -> None:
    first = new_id("sel")
    time.sleep(0.002)  # the clock of ids counts milliseconds
    assert first < new_id("sel")


def test_ids_are_unique_and_of_the_alphabet() -> None:
    made = {new_id("job") for _ in range(10_000)}
    assert len(made) == 10_000
    assert {len(name) for name in made} == {len("job_") + 26}
    assert set("".join(name.removeprefix("job_") for name in made)) <= set(ALPHABET)


def test_a_forked_process_makes_others() -> None:
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, new_id("x")[12:].encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as told:
        assert told.read() != new_id("x")[12:]
    os.wait()
