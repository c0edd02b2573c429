"""evoselect jobs and evoselect doctor as a user runs them."""

import json
from pathlib import Path
from typing import Any

from sqlalchemy import text

from evoselect_cli import exits
from store.artifacts import Artifacts
from store.settings import Settings, as_environment
from tests.clients.test_cli import evoselect
from tests.live import Api
from tests.service.test_routes import make_selection


def run(*arguments: str, home: Path, api: Api) -> Any:
    done = evoselect(*arguments, "--json", home=home, api=api)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_job_is_listed_shown_cancelled_and_started_again(api: Api, tmp_path: Path) -> None:
    job = make_selection(api, name="first")
    assert job["id"] in [row["id"] for row in run("jobs", "list", home=tmp_path, api=api)]
    assert run("jobs", "show", job["id"], home=tmp_path, api=api)["name"] == "first"
    early = evoselect("jobs", "retry", job["id"], home=tmp_path, api=api)
    assert (early.returncode, "is queued" in early.stderr) == (exits.REFUSED, True)
    assert run("jobs", "cancel", job["id"], home=tmp_path, api=api)["status"] == "cancelled"
    again = run("jobs", "retry", job["id"], home=tmp_path, api=api)
    assert again["id"] != job["id"]
    assert {name: again[name] for name in ("request", "name", "status")} == {
        "request": job["request"],
        "name": "first",
        "status": "queued",
    }
    assert again["progress"]["rows_total"] == job["progress"]["rows_total"]
    assert job["id"] in evoselect("jobs", "show", job["id"], home=tmp_path, api=api).stdout


def test_an_id_that_is_no_jobs_is_a_usage_error(api: Api, tmp_path: Path) -> None:
    done = evoselect("jobs", "show", "tgt_1", home=tmp_path, api=api)
    assert done.returncode == exits.USAGE
    assert "no id of a job" in done.stderr


def doctor(settings: Settings, home: Path) -> tuple[int, dict[str, Any]]:
    done = evoselect("doctor", "--json", home=home, variables=as_environment(settings))
    return done.returncode, {finding["check"]: finding for finding in json.loads(done.stdout)}


def settings_of(database_url: str, home: Path) -> Settings:
    return Settings(
        home=home,
        database_url=database_url,
        redis_url="redis://127.0.0.1:1",
        artifacts_url=f"file://{home}/artifacts",
        key_pepper="p",
    )


def test_the_doctor_names_each_thing_that_is_wrong(api: Api, database_url: str, tmp_path: Path) -> None:
    settings = settings_of(database_url, tmp_path)
    Artifacts(settings.artifacts_url).put_bytes("x", b"stray", ".bin")
    code, found = doctor(settings, tmp_path)
    assert code == exits.FAILED
    wrong = [name for name, finding in found.items() if not finding["ok"]]
    assert wrong == ["broker"]  # nobody listens on that port
    assert found["broker"]["next_step"]
    assert found["clock"]["ok"]


def test_the_doctor_sees_impossible_rows_and_queues_that_nobody_serves(api: Api, tmp_path: Path) -> None:
    job = make_selection(api)
    change = "update jobs set status = :status where id = :id"
    with api.database.transaction() as session:
        session.execute(text("update shards set available_at = now() - interval '1 hour'"))  # unserved
        session.execute(text(change), {"status": "asleep", "id": job["id"]})
    try:
        _, found = doctor(settings_of(api.settings.database_url, tmp_path), tmp_path)
        assert "unknown status asleep" in found["impossible rows"]["detail"]
        assert "wait in features" in found["queues"]["detail"]
        assert found["queues"]["next_step"].endswith("--queue features")
    finally:
        with api.database.transaction() as session:
            session.execute(text(change), {"status": "queued", "id": job["id"]})


def test_the_doctor_says_how_to_migrate(postgres: str, tmp_path: Path) -> None:
    code, found = doctor(settings_of(postgres, tmp_path), tmp_path)
    assert code == exits.FAILED
    assert "store.migrate" in found["migrations"]["next_step"]


def test_the_doctor_needs_a_deployment(tmp_path: Path) -> None:
    done = evoselect("doctor", home=tmp_path)
    assert done.returncode == exits.NO_SERVICE
    assert "EVOSELECT_DATABASE_URL is not set" in " ".join(done.stderr.split())
