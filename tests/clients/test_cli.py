"""The command as a user runs it: output, --json, exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from evoselect_cli import exits
from evoselect_cli.main import app
from tests.live import Api, question
from tests.service.test_routes import complete
from tests.service.test_trained import trained

Done = subprocess.CompletedProcess[str]


def evoselect(
    *arguments: str,
    home: Path,
    api: Api | None = None,
    variables: dict[str, str] | None = None,
    timeout: float = 60,
) -> Done:
    """Run the command with a configuration of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EVOSELECT_")}
    service = {"EVOSELECT_URL": api.url, "EVOSELECT_API_KEY": api.api_key} if api else {}
    return subprocess.run(
        [sys.executable, "-c", "from evoselect_cli.main import app; app()", *arguments],
        env={**inherited, **service, **(variables or {}), "EVOSELECT_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """A target file and a pool file."""
    paths = []
    for name, numbers in (("target", range(2)), ("pool", range(10, 18))):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(question(n)) + "\n" for n in numbers))
        paths.append(str(path))
    return paths[0], paths[1]


def started(api: Api, files: tuple[str, str], home: Path) -> dict[str, Any]:
    target, pool = files
    done = evoselect(
        "select", "--target", target, "--pool", pool, "-k", "3", "--no-wait", "--json", home=home, api=api
    )
    assert done.returncode == 0, done.stderr
    job: dict[str, Any] = json.loads(done.stdout)
    return job


def test_help_lists_the_exit_codes(tmp_path: Path) -> None:
    done = evoselect("--help", home=tmp_path)
    assert done.returncode == 0
    assert "Exit codes" in done.stdout
    for name in ("up", "down", "status", "select", "train", "items", "watch", "report", "keys"):
        assert f" {name} " in done.stdout


def test_the_version_and_the_short_way_to_help(tmp_path: Path) -> None:
    assert evoselect("--version", home=tmp_path).stdout.startswith("evoselect ")
    for command in ((), ("select",), ("jobs", "list")):
        assert "Usage: " in evoselect(*command, "-h", home=tmp_path).stdout


@pytest.fixture
def run(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command in this process, which is as it is in one of its own and starts in no time."""
    for name, value in (("URL", api.url), ("API_KEY", api.api_key), ("HOME", str(tmp_path))):
        monkeypatch.setenv(f"EVOSELECT_{name}", value)
    return lambda *arguments: CliRunner().invoke(app, arguments)


WRONG = [
    (["-k", "0"], exits.USAGE, "greater than or equal"),
    (["--ratio", "1.5"], exits.USAGE, "Invalid value"),
    (["--ratio", "0"], exits.USAGE, "above 0"),
    (["-k", "2", "--columns", "prompt"], exits.USAGE, "field=column"),
    (["-k", "2", "--tokens", "9"], exits.USAGE, "exactly one of"),
    (["--tokens", "0"], exits.USAGE, "Invalid value"),
    (["--tokens", "9", "--spec", '{"repeat_budget": 5}'], exits.REFUSED, "repeat_budget"),
    (["-k", "2", "--spec", '{"balance": {"by": "nothing"}}'], exits.REFUSED, "by is 'nothing'"),
    (["-k", "2", "--pinned", "a,b,a"], exits.USAGE, "'a' 2 times"),
    (["-k", "2", "--pinned", "a,b,c"], exits.USAGE, "names 3 candidates"),
    (["-k", "2", "--pinned", " , "], exits.USAGE, "names no id"),
    (["-k", "2", "--template", "  "], exits.USAGE, "--template is empty"),
    (["-k", "2", "--template", "a", "--columns", "prompt=q"], exits.USAGE, "makes the prompt"),
    (["-k", "2", "--method", "magic"], exits.REFUSED, "magic"),
    (["-k", "2", "--model", "none-such"], exits.REFUSED, "none-such"),
    (["-k", "2", "--spec", '{"colour": 1}'], exits.REFUSED, "colour"),
    (["-k", "2", "--out", "picked.parquet"], exits.USAGE, "write lines"),
]


def test_what_cannot_be_is_told_before_anything_is_sent(
    api: Api, files: tuple[str, str], run: Callable[..., Any]
) -> None:
    before = [len(api.get(f"/v1/{noun}?limit=1000")["data"]) for noun in ("pools", "targets", "files")]
    for wrong, code, said in WRONG:
        done = run("select", "--target", files[0], "--pool", files[1], *wrong)
        assert done.exit_code == code, done.output
        assert said in done.output
    done = run("evaluate", "none-such", "--data", files[0])
    assert (done.exit_code, "none-such" in done.output) == (exits.REFUSED, True)
    after = [len(api.get(f"/v1/{noun}?limit=1000")["data"]) for noun in ("pools", "targets", "files")]
    assert after == before


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"{",
        b'{"prompt": "a"}\n',
        b'{"prompt": "a", "completion": "b"}\n{"prompt": \n',
        b"\xff\xfe{\x00",
        b'{"a": "\xe9"}\n',
        b"[1, 2",
        b"PAR1 and no more",
        b"ARROW1",
        b"\x1f\x8b no gzip",
        b"a,b\n1\n",
        b"\x00" * 100,
        b"[" * 100_000,
    ],
    ids=lambda content: repr(content[:12]),
)
def test_a_broken_target_file_is_a_message(
    content: bytes, files: tuple[str, str], tmp_path: Path, run: Callable[..., Any]
) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(content)
    done = run("select", "--target", str(broken), "--pool", files[1], "-k", "2", "--no-wait")
    assert done.exit_code == exits.REFUSED, done.output
    assert isinstance(done.exception, SystemExit)
    assert "error" in done.output


def test_tokens_and_pinned_candidates_are_asked_for(
    files: tuple[str, str], tmp_path: Path, run: Callable[..., Any]
) -> None:
    listed = tmp_path / "pinned.txt"
    listed.write_text("a, with a comma\n\n  b\n")
    for given, pinned in (("a,b ", ["a", "b"]), (str(listed), ["a, with a comma", "b"])):
        done = run(
            *("select", "--target", files[0], "--pool", files[1], "--tokens", "50", "--pinned", given),
            *("--no-wait", "--json"),
        )
        assert done.exit_code == 0, done.output
        request = json.loads(done.stdout)["request"]
        assert (request["k"], request["tokens"], request["pinned"]) == (None, 50, pinned)


def test_a_template_is_given_as_text_or_as_a_file(api: Api, tmp_path: Path, run: Callable[..., Any]) -> None:
    rows, template = tmp_path / "rows.jsonl", tmp_path / "prompt.jinja"
    rows.write_text('{"ask": "2 + 2?", "completion": "4"}\n{"ask": "3 + 3?", "completion": "6"}\n')
    template.write_text("Q: {{ ask }}\nA:")
    source = ("select", "--target", str(rows), "--pool", str(rows), "-k", "1", "--no-wait", "--json")
    jobs = [run(*source, "--template", given) for given in (str(template), template.read_text())]
    requests = [json.loads(job.stdout)["request"] for job in jobs]
    assert requests[0]["target_id"] == requests[1]["target_id"]
    for noun in ("pools", "targets"):
        found = api.get(f"/v1/{noun}/{requests[0][noun[:-1] + '_id']}/records")["data"]
        assert [one["record"]["prompt"] for one in found] == ["Q: 2 + 2?\nA:", "Q: 3 + 3?\nA:"]
    refused = run(*source, "--template", "{{ asked }}")
    assert refused.exit_code == exits.REFUSED
    assert "'asked' is undefined; the columns of this row are ask, completion" in refused.output
    model = api.settings.default_model
    measured = run("evaluate", model, "--data", str(rows), "--template", str(template), "--no-wait", "--json")
    assert json.loads(measured.stdout)["request"]["target_id"] == requests[0]["target_id"]


def test_a_refused_pool_of_a_stored_target_leaves_no_empty_pool(
    api: Api, files: tuple[str, str], run: Callable[..., Any]
) -> None:
    asked = run("select", "--target", files[0], "--pool", files[1], "-k", "1", "--no-wait", "--json")
    target = json.loads(asked.stdout)["request"]["target_id"]
    before = api.get("/v1/pools")["data"]
    for wrong in (("--template", "{{ 1"), ("--columns", "prompt=nowhere")):
        done = run("select", "--target", target, "--pool", files[1], "-k", "1", *wrong)
        assert done.exit_code == exits.REFUSED, done.output
    assert api.get("/v1/pools")["data"] == before


def test_the_same_target_file_is_found_again(files: tuple[str, str], run: Callable[..., Any]) -> None:
    command = ("select", "--target", files[0], "--pool", files[1], "-k", "2", "--no-wait", "--json")
    jobs = [run(*command) for _ in range(2)]
    targets = {json.loads(job.stdout)["request"]["target_id"] for job in jobs}
    assert len(targets) == 1
    assert f"is target {targets.pop()} already" in jobs[1].stderr


def test_select_uploads_files_and_starts_the_job(api: Api, files: tuple[str, str], tmp_path: Path) -> None:
    job = started(api, files, tmp_path)
    assert job["request"]["k"] == 3
    assert api.get(f"/v1/pools/{job['request']['pool_id']}")["count"] == 8


def test_items_as_table_lines_and_file(api: Api, files: tuple[str, str], tmp_path: Path) -> None:
    job = started(api, files, tmp_path)
    rows: list[dict[str, Any]] = [
        {"rank": n, "id": f"c{n}", "content_hash": f"{n:064}", "weight": 1.0, "record": question(n)}
        for n in range(1, 4)
    ]
    complete(api, job["id"], rows)
    assert "1 + 1?" in evoselect("items", job["id"], home=tmp_path, api=api).stdout
    lines = evoselect("items", job["id"], "--json", home=tmp_path, api=api).stdout.splitlines()
    assert [json.loads(line) for line in lines] == rows
    out = tmp_path / "picked.jsonl"
    assert evoselect("items", job["id"], "--out", str(out), home=tmp_path, api=api).returncode == 0
    assert [json.loads(line) for line in out.read_text().splitlines()] == [question(n) for n in range(1, 4)]
    trained = evoselect("train", job["id"], "--no-wait", "--json", home=tmp_path, api=api)
    assert json.loads(trained.stdout)["object"] == "training"


def test_evaluate_starts_a_job(api: Api, files: tuple[str, str], tmp_path: Path) -> None:
    model = api.settings.default_model
    done = evoselect("evaluate", model, "--data", files[0], "--no-wait", "--json", home=tmp_path, api=api)
    assert json.loads(done.stdout)["request"]["model"] == model


def test_models_are_listed_and_adapters_saved(api: Api, tmp_path: Path) -> None:
    model_id = trained(api, ["a"])
    assert model_id in evoselect("models", "list", home=tmp_path, api=api).stdout
    folder = tmp_path / "adapter"
    done = evoselect("models", "save", model_id, "--to", str(folder), "--json", home=tmp_path, api=api)
    assert json.loads(done.stdout) == {"path": str(folder)}
    assert (folder / "adapter_model.safetensors").read_bytes() == b"weights of a"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["evaluate", "m"], exits.USAGE, "give either --data or --task"),
        (["evaluate", "m", "--task", "mmlu"], exits.REFUSED, "have the operator set EVOSELECT_TASK_FOLDER"),
        (["select", "--target", "t", "--pool", "p"], exits.USAGE, "exactly one of -k, --ratio"),
        (["select", "--target", "t", "--pool", "p", "-k", "1", "--spec", "{"], exits.USAGE, "not JSON"),
        (["nonsense"], exits.USAGE, "nonsense"),
        (["items", "sel_00000000000000000000000000"], exits.REFUSED, "not_found"),
        (["train", "sel_00000000000000000000000000"], exits.REFUSED, "not_found"),
        (["select", "--target", "no-such-file", "--pool", "p", "-k", "1"], exits.USAGE, "neither a file nor"),
        (
            ["select", "--target", "tgt_" + "0" * 26, "--pool", "pool_" + "0" * 26, "-k", "1"],
            exits.REFUSED,
            "tgt_0",
        ),
    ],
)
def test_exit_codes(api: Api, tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    done = evoselect(*arguments, home=tmp_path, api=api)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_no_service(tmp_path: Path) -> None:
    done = evoselect("items", "sel_1", home=tmp_path)
    assert done.returncode == exits.NO_SERVICE
    assert "evoselect up" in done.stderr
    report = evoselect("status", "--json", home=tmp_path)
    assert report.returncode == exits.NO_SERVICE
    assert json.loads(report.stdout)["ready"] is False
    assert evoselect("down", home=tmp_path).returncode == 0


def test_status_of_a_service(api: Api, tmp_path: Path) -> None:
    done = evoselect("status", "--json", home=tmp_path, api=api)
    assert done.returncode == 0
    assert json.loads(done.stdout)["url"] == api.url
