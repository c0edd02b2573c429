"""The shape that the tree keeps: short modules and functions, small rooms, a map that is true."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRODUCT = ("evoselect", "store", "embedded", "service", "workers", "migrations", "clients")
MODULES = sorted(path for top in (*PRODUCT, "benchmarks", "tests") for path in (ROOT / top).rglob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION, FULLEST_FOLDER = 400, 60, 16
MOST_BY_POSITION = 4
MOST_ARROWS = {"store": 60, "service": 70, "workers": 30}  # from one room to another that it imports
MOST_UNTYPED = 40  # lines with dict[str, Any] in those three
LEAST_MIRRORED = 150  # modules whose tests stand at the same path below tests/
BY_OPTION = ROOT / "clients" / "cli"  # where a parameter is an option of the command line, named there


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_module_and_no_function_is_too_long() -> None:
    long = [
        f"{path}: {lines}" for path in MODULES if (lines := path.read_text().count("\n")) > LONGEST_MODULE
    ]
    for path in MODULES:
        for node in functions(path):
            assert node.end_lineno is not None
            if (lines := node.end_lineno - node.lineno + 1) > LONGEST_FUNCTION:
                long.append(f"{path}:{node.lineno} {node.name}: {lines}")
    assert long == []


def test_who_takes_more_than_four_values_takes_the_rest_by_name() -> None:
    wide = [
        f"{path}:{node.lineno} {node.name}: {len(taken)}"
        for path in MODULES
        if path.relative_to(ROOT).parts[0] in PRODUCT and not path.is_relative_to(BY_OPTION)
        for node in functions(path)
        if len(taken := by_position(node)) > MOST_BY_POSITION
    ]
    assert wide == []


def by_position(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Parameters before `*`, without the object of a method."""
    taken = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
    return taken[1:] if taken[:1] in (["self"], ["cls"]) else taken


def test_no_folder_holds_more_than_the_eye_takes_in() -> None:
    held = Counter(
        path.parent for path in MODULES if path.name != "__init__.py" and "tests" not in path.parts
    )
    full = {str(folder.relative_to(ROOT)): count for folder, count in held.items() if count > FULLEST_FOLDER}
    assert full == {}


def test_rooms_know_few_other_rooms() -> None:
    found = {top: arrows(top) for top in MOST_ARROWS}
    crowded = {top: sorted(own) for top, own in found.items() if len(own) > MOST_ARROWS[top]}
    assert crowded == {}


def arrows(top: str) -> set[tuple[str, str]]:
    """(importer, imported) among the folders and modules that lie directly in `top`."""
    return {
        (room, other)
        for path in MODULES
        if path.is_relative_to(ROOT / top)
        for room in [path.relative_to(ROOT / top).parts[0].removesuffix(".py")]
        for other in imported(path, top)
        if other != room
    }


def imported(path: Path, top: str) -> Iterator[str]:
    """Rooms of `top` that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            if parts[0] == top:
                yield from parts[1:2] or [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith(f"{top}."))


def test_values_that_cross_rooms_have_types() -> None:
    lines = [
        f"{path}: {line.strip()}"
        for path in MODULES
        if path.relative_to(ROOT).parts[0] in MOST_ARROWS
        for line in path.read_text().splitlines()
        if "dict[str, Any]" in line
    ]
    assert len(lines) <= MOST_UNTYPED, lines


def test_tests_stand_where_their_module_does() -> None:
    own = [path for path in MODULES if path.relative_to(ROOT).parts[0] in PRODUCT]
    mirrored = [
        path
        for path in own
        if (ROOT / "tests" / path.relative_to(ROOT).parent / f"test_{path.name}").exists()
    ]
    assert len(mirrored) >= LEAST_MIRRORED, len(mirrored)


def test_the_first_sentence_of_a_module_stands_on_one_line() -> None:
    said = {path: ast.get_docstring(ast.parse(path.read_text())) for path in MODULES}
    firsts = {path: text.split("\n")[0] for path, text in said.items() if text}
    broken = [str(path) for path, first in firsts.items() if not re.search("[.:?]", first)]
    assert broken == []


def test_the_map_names_what_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`((?:store|service|workers|evoselect|embedded)/[\w/.]*)`", text))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
    rooms = {
        f"{top}/{room.name}/"
        for top in ("store", "service", "workers")
        for room in (ROOT / top).iterdir()
        if (room / "__init__.py").exists()
    }
    assert rooms - named == set()
