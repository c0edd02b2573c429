"""Which target examples a next round's prompts show, and candidates that nearly repeat what is there."""

from store.records.record import Record, parse_record
from workers.generators import near
from workers.generators.failures import worst


def row(prompt: str, completion: str = "x") -> Record:
    return parse_record({"prompt": prompt, "completion": completion})


def test_the_worst_third_is_shown_and_at_least_twice_what_a_prompt_takes() -> None:
    target = [row(f"{number}?") for number in range(12)]
    losses = [float(number % 7) for number in range(12)]  # 6, 5, 4 and 4 are the worst
    assert [one.prompt for one in worst(target, losses, set(), 1)] == ["6?", "5?", "4?", "11?"]
    assert len(worst(target, losses, set(), 3)) == 6
    assert len(worst(target[:2], losses[:2], set(), 3)) == 2


def test_what_is_measured_on_and_what_has_no_loss_is_never_shown() -> None:
    target = [row(f"{number}?") for number in range(4)]
    apart = {target[3].content_hash}
    found = worst(target, [0.1, None, 0.3, 0.9], apart, 2)
    assert [one.prompt for one in found] == ["2?", "0?"]
    assert worst(target, [None] * 4, apart, 2) == []


def test_near_copies_of_what_is_there_and_of_each_other_are_taken_out() -> None:
    there = [
        "Which river runs through the old town of Prague before it reaches the Elbe? The Vltava",
        "Name the author of the novel about a whale called Moby-Dick, please. Herman Melville",
        *(f"What is the capital of country {number}? City {number}" for number in range(20)),
    ]
    made = [
        row("Which river runs through the old town of Prague before it meets the Elbe?", "The Vltava"),
        row("How many moons has Mars, and what are they called by astronomers?", "Two: Phobos and Deimos"),
        row("How many moons has Mars, and what are they called by scientists?", "Two: Phobos and Deimos"),
        row("At what temperature does water boil on the summit of Mount Everest?", "About 68 degrees"),
    ]
    left = near.new_ones(made, there, lambda: None)
    assert [made.index(record) for record in left] == [1, 3]
    assert near.new_ones(made[1:2], [], lambda: None) == made[1:2]
    assert near.new_ones([], there, lambda: None) == []


def test_a_generator_that_says_one_thing_over_and_over_is_found_out() -> None:
    there = [f"What is {number} + 1? {number + 1}" for number in range(8)]
    text = "Name the very long river that crosses the old city of Prague, item"
    made = [row(f"{text} {number}", "The river Vltava, of course") for number in range(100)]
    assert near.new_ones(made, there, lambda: None) == made[:1]


def test_sums_of_other_numbers_are_no_near_copies() -> None:
    there = [f"Question: What is {n} + {n + 31}?\nAnswer: {2 * n + 31}" for n in range(10, 26)]
    made = [row(f"Question: What is {n} + {n + 32}?\nAnswer:", f" {2 * n + 32}") for n in range(100, 160)]
    assert near.new_ones(made, there, lambda: None) == made
