"""The library says the shape of every array that a caller gives or gets."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ARRAYS = {"Floats", "Ints", "NDArray", "ndarray", "Tensor", "Values", "csr_array"}
SHAPE = r"\((?:[\w.+* ]+, ?)+(?:[\w.+* ]+)?\)"
Function = ast.FunctionDef | ast.AsyncFunctionDef


def holds_array(annotation: ast.expr | None) -> bool:
    """Whether the annotation names an array type, at any depth; shapes of callables' arguments are theirs."""
    if annotation is None:
        return False
    named = {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(annotation)}
    return bool(named & ARRAYS)


def public(body: list[ast.stmt], path: Path) -> Iterator[tuple[str, Function]]:
    for node in body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node.body, path)


def missing(node: Function) -> list[str]:
    """Array parameters whose shape the docstring does not say as ``name (n, d)``.

    "return" is among them where no shape is left for what is returned.
    """
    text = re.sub(r"\s+", " ", ast.get_docstring(node) or "")
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    silent = []
    for name in (each.arg for each in given if holds_array(each.annotation)):
        said = re.search(rf"\b{name}\b`*:? {SHAPE}", text)
        text = text.replace(said.group(), "", 1) if said else text
        silent += [] if said else [name]
    return [*silent, "return"] if holds_array(node.returns) and not re.search(SHAPE, text) else silent


def library() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / "evoselect").rglob("*.py")):
        yield path, ast.parse(path.read_text())


def test_public_functions_say_the_shape_of_each_array() -> None:
    found = [(place, node) for path, tree in library() for place, node in public(tree.body, path)]
    assert len(found) > 100
    assert {place: silent for place, node in found if (silent := missing(node))} == {}


def test_a_field_that_holds_an_array_says_its_shape_beside_it() -> None:
    silent = []
    for path, tree in library():
        lines = path.read_text().splitlines()
        for owner in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            for field in (each for each in owner.body if isinstance(each, ast.AnnAssign)):
                line, below = [*lines, ""][field.lineno - 1 : field.lineno + 1]
                said = line.partition("#")[2] + (below if below.lstrip().startswith('"""') else "")
                if holds_array(field.annotation) and not re.search(SHAPE, said):
                    silent.append(f"{path.relative_to(ROOT)}:{field.lineno} {line.strip()}")
    assert silent == []


def test_a_docstring_that_leaves_a_shape_out_is_found() -> None:
    whole = "def f(x: Tensor, k: int) -> Ints:\n    '''Best rows of ``x`` (n, d) -> (k,) ascending.'''"
    for left_out, what in (("(n, d) ", "x"), ("-> (k,) ", "return")):
        node = ast.parse(whole.replace(left_out, "")).body[0]
        assert isinstance(node, Function)
        assert missing(node) == [what]
