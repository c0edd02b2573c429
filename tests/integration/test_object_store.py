"""The whole product on an S3-compatible object store, spoken to over HTTP as in the compose file."""

import io
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import numpy as np
import pytest

from embedded import servers
from evoselect_client.client import Client
from store.artifacts import Artifacts, StoreAway
from store.data import feature_blocks
from store.errors import ArtifactCorrupt
from store.session import Database
from store.upkeep import retention
from tests.conftest import start_stack, stop_stack
from tests.live import question

BUCKET = "evoselect-test"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a bucket of a server that runs beside the tests; credentials are in the environment."""
    port = servers.free_port()
    log = tmp_path_factory.mktemp("s3") / "server.log"
    with pytest.MonkeyPatch.context() as environment, log.open("wb") as output:
        environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "evoselect")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=output, stderr=output
        )
        try:
            servers.wait_until(lambda: _makes_bucket(), "the object store", log)
            yield f"s3://{BUCKET}/below"
        finally:
            server.terminate()
            server.wait()


def _makes_bucket() -> bool:
    try:
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir(BUCKET)
    except OSError:
        return False
    return True


def test_a_file_comes_back_and_a_changed_or_missing_one_is_found(bucket: str, tmp_path: Path) -> None:
    artifacts = Artifacts(bucket)
    artifacts.probe()
    (tmp_path / "a.bin").write_bytes(b"one")
    stored = artifacts.put_file("t", tmp_path / "a.bin")
    assert stored == artifacts.put_bytes("t", b"one", ".bin")
    assert artifacts.get_bytes(stored.path, stored.sha256) == b"one"
    with artifacts.open(stored.path) as stream:
        stream.seek(1)
        assert stream.read() == b"ne"
    full = f"{bucket.removeprefix('s3://')}/{stored.path}"
    artifacts.filesystem.pipe_file(full, b"two")
    with pytest.raises(ArtifactCorrupt, match="hashes to"):
        artifacts.get_bytes(stored.path, stored.sha256)
    artifacts.filesystem.rm_file(full)
    with pytest.raises(ArtifactCorrupt, match="is missing"):
        artifacts.get_bytes(stored.path, stored.sha256)


def test_files_without_a_row_are_swept_and_no_others(bucket: str, database: Database, tenant: str) -> None:
    artifacts, elsewhere = Artifacts(bucket), fsspec.filesystem("s3", skip_instance_cache=True)
    named = artifacts.put_bytes("sweep", b"a row names this", ".bin")
    with database.transaction() as session:
        feature_blocks.remember(session, tenant, "key", rows=1, artifact=named)
    stray = artifacts.put_bytes("sweep", b"no row names this", ".bin")
    assert retention.orphans(database, artifacts, age_seconds=3600) == []
    assert retention.orphans(database, artifacts, age_seconds=-2) == [stray.path]
    late = f"{artifacts.root}/sweep/late.bin"
    elsewhere.pipe_file(late, b"written by another process after the listing")
    assert retention.orphans(database, artifacts, age_seconds=-2) == sorted([stray.path, "sweep/late.bin"])
    seen = datetime.now(UTC)
    time.sleep(1.1)  # object stores tell whole seconds
    elsewhere.pipe_file(late, b"written again")
    assert not artifacts.remove_older("sweep/late.bin", seen)
    assert retention.remove_orphans(database, artifacts, age_seconds=-2) == 2
    assert artifacts.get_bytes(named.path, named.sha256)
    assert not elsewhere.exists(late)


def test_a_store_that_is_away_is_an_error_of_the_system(monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    known = fsspec.get_filesystem_class("s3")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{servers.free_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    known.clear_instance_cache()
    try:
        away = Artifacts(bucket)
        for use in (
            lambda: away.put_bytes("t", b"one", ".bin"),
            lambda: away.put_stream("t", io.BytesIO(b"one"), ".bin"),
            lambda: away.get_bytes("t/one.bin", "0"),
            away.probe,
        ):
            with pytest.raises(StoreAway, match="the artifact store does not answer"):
                use()
    finally:
        known.clear_instance_cache()


@pytest.mark.long
def test_a_selection_reads_and_writes_nothing_but_the_bucket(bucket: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pool = rng.normal(size=(20, 8))
    np.save(tmp_path / "pool.npy", pool)
    np.save(tmp_path / "target.npy", pool[[5, 7]] + 1e-3)
    stack, thread = start_stack(tmp_path / "home", [], artifacts_url=bucket)
    try:
        with Client(stack.url, stack.api_key) as client:
            files = {side: client.files.create(tmp_path / f"{side}.npy").id for side in ("target", "pool")}
            done = client.selections.create(
                target=[question(100), question(101)],
                candidates=[question(n) for n in range(20)],
                k=2,
                features={"kind": "provided"},
                feature_files=files,
            ).wait(timeout=120)
            assert {item.record["completion"] for item in done.items()} == {"10", "14"}
    finally:
        stop_stack(stack, thread)
    assert not (tmp_path / "home" / "artifacts").exists()
