"""Tasks whose answers a rule can check, so that a generated answer is known to be right or wrong."""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

Json = dict[str, Any]


def _words(text: str) -> list[str]:
    return text.split()


FIRST = _words("Anna Ben Carla David Elena Felix Grace Hugo Irene Jonas Karen Louis Maria Nora Oscar Paula")
LAST = _words(
    "Adams Brown Clark Diaz Evans Fischer Garcia Hill Ito Jones Keller Lopez Moore Novak Olsen Price"
)
HOSTS = _words("example acme northwind contoso brightlab river greenfield skyline orbit maple")
ENDS = _words("com org net edu io co.uk de")
WORDS = _words(
    "apple bridge candle dragon engine forest garden hammer island jacket kettle lemon market needle orange "
    "pencil queen rabbit silver table umbrella valley window yellow zebra anchor basket circle desert eagle "
    "flower guitar honey insect jungle kitchen ladder mirror nature ocean planet quilt saddle tunnel"
)
MONTHS = _words("January February March April May June July August September October November December")


@dataclass(frozen=True)
class Task:
    """Examples by seed, and whether an answer is right."""

    name: str
    make: Callable[[random.Random], Json]
    solve: Callable[[str], str | None]
    """The right answer to a prompt; None for a prompt that is none of this task."""
    rubric: str
    """What a right record is, in words for a judge."""

    def examples(self, count: int, seed: int, apart_from: Sequence[Json] = ()) -> list[Json]:
        """Different ones, none of them among others."""
        draw, found = random.Random(f"{self.name} {seed}"), dict[str, Json]()
        others = {record["prompt"] for record in apart_from}
        while len(found) < count:
            record = self.make(draw)
            if record["prompt"] not in others:
                found[record["prompt"]] = record
        return list(found.values())

    def is_right(self, record: Json) -> bool:
        """Whether the record is of this task, and its answer the right one."""
        solved = self.solve(str(record.get("prompt", "")))
        return solved is not None and plain(str(record.get("completion", ""))) == plain(solved)


def plain(answer: str) -> str:
    """As answers are compared: the blanks around and a full stop at the end say nothing."""
    return answer.strip().rstrip(".")


def _record(question: str, answer: str) -> Json:
    return {"prompt": f"Question: {question}\nAnswer:", "completion": f" {answer}"}


def _sum(draw: random.Random) -> Json:
    first, second = draw.randint(10, 99), draw.randint(10, 99)
    return _record(f"What is {first} + {second}?", str(first + second))


def _solve_sum(prompt: str) -> str | None:
    found = re.search(r"What is (\d{1,6}) \+ (\d{1,6})\?", prompt)
    return None if found is None else str(int(found[1]) + int(found[2]))


def _least(draw: random.Random) -> Json:
    numbers = draw.sample(range(10, 1000), 3)
    return _record(f"Which number is the least: {', '.join(map(str, numbers))}?", str(min(numbers)))


def _solve_least(prompt: str) -> str | None:
    found = re.search(r"Which number is the least: (\d{1,6}(?:, \d{1,6})+)\?", prompt)
    return None if found is None else str(min(map(int, found[1].split(", "))))


def _date(draw: random.Random) -> Json:
    day = date(draw.randint(1950, 2049), draw.randint(1, 12), draw.randint(1, 28))
    return _record(f"Write {day.isoformat()} as a date in words.", _in_words(day))


def _in_words(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _solve_date(prompt: str) -> str | None:
    found = re.search(r"Write (\d{4}-\d{2}-\d{2}) as a date in words", prompt)
    try:
        return None if found is None else _in_words(date.fromisoformat(found[1]))
    except ValueError:  # the 30th of February
        return None


def _domain(draw: random.Random) -> Json:
    person = f"{draw.choice(FIRST)}{draw.choice(['.', '_', ''])}{draw.choice(LAST)}".lower()
    host = f"{draw.choice(HOSTS)}{draw.choice(['', '-mail', '-shop', str(draw.randint(1, 99))])}"
    domain = f"{host}.{draw.choice(ENDS)}"
    return _record(f"What is the domain of {person}@{domain}?", domain)


def _solve_domain(prompt: str) -> str | None:
    found = re.search(r"What is the domain of [\w.+-]+@([\w-]+(?:\.[\w-]+)+)\?", prompt)
    return None if found is None else found[1]


def _name(draw: random.Random) -> Json:
    first, last = draw.choice(FIRST), draw.choice(LAST)
    middle = f"{draw.choice(FIRST)} " if draw.random() < 0.5 else ""
    return _record(
        f"Write {first} {middle}{last} with the last name first.", f"{last}, {first} {middle}".strip()
    )


def _solve_name(prompt: str) -> str | None:
    found = re.search(r"Write ((?:[A-Z][\w'-]+ ){1,2})([A-Z][\w'-]+) with the last name first", prompt)
    return None if found is None else f"{found[2]}, {found[1].strip()}"


def _initials(draw: random.Random) -> Json:
    names = [*draw.sample(FIRST, draw.choice((1, 2))), draw.choice(LAST)]
    return _record(f"What are the initials of {' '.join(names)}?", " ".join(f"{name[0]}." for name in names))


def _solve_initials(prompt: str) -> str | None:
    found = re.search(r"What are the initials of ([A-Z][\w'-]+(?: [A-Z][\w'-]+){1,3})\?", prompt)
    return None if found is None else " ".join(f"{name[0]}." for name in found[1].split())


def _order(draw: random.Random) -> Json:
    words = draw.sample(WORDS, 3)
    return _record(f"Put these words in alphabetical order: {', '.join(words)}.", ", ".join(sorted(words)))


def _solve_order(prompt: str) -> str | None:
    found = re.search(r"Put these words in alphabetical order: (\w+(?:, \w+)+)\.", prompt)
    return None if found is None else ", ".join(sorted(found[1].split(", "), key=str.casefold))


TASKS = {
    task.name: task
    for task in (
        Task(
            "sums",
            _sum,
            _solve_sum,
            "The question asks for the sum of two whole numbers, and the answer is that sum.",
        ),
        Task(
            "least",
            _least,
            _solve_least,
            "The question asks which of some numbers is the least, and the answer is that number.",
        ),
        Task(
            "dates",
            _date,
            _solve_date,
            "The question has a date as year-month-day, and the answer is that date with the month in words.",
        ),
        Task(
            "domains",
            _domain,
            _solve_domain,
            "The question has an e-mail address, and the answer is what stands behind its @.",
        ),
        Task(
            "names",
            _name,
            _solve_name,
            "The question has a name, and the answer is its last name, a comma, and the names before it.",
        ),
        Task(
            "initials",
            _initials,
            _solve_initials,
            "The question has a name, and the answer is the first letter of each part with a full stop.",
        ),
        Task(
            "order",
            _order,
            _solve_order,
            "The question has some words, and the answer has the same words in alphabetical order.",
        ),
    )
}
