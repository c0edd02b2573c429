"""The SDK's files: small and large, resumed where they were cut, compared selections."""

from pathlib import Path

import pytest

from evoselect_client import Client
from tests.live import Api, question


@pytest.fixture
def client(api: Api) -> Client:
    return Client(api.url, api.api_key)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "pool.jsonl"
    path.write_bytes(b"0123456789" * 10_000)
    return path


def test_a_large_file_goes_in_parts(client: Client, source: Path) -> None:
    sent: list[int] = []
    file = client.files.create(source, part_bytes=30_000, progress=sent.append)
    assert (file.size, file.name, sent) == (100_000, "pool.jsonl", [30_000, 60_000, 90_000, 100_000])
    small = client.files.create(source)
    assert small.sha256 == file.sha256
    client.files.delete(small.id)
    assert small.id not in [one.id for one in client.files.list()]


def test_an_upload_goes_on_where_it_was_cut(client: Client, source: Path) -> None:
    upload = client.uploads.create(name="pool.jsonl")
    client.uploads.put_part(upload.id, 2, source.read_bytes()[30_000:60_000])
    file = client.files.create(source, upload_id=upload.id, part_bytes=30_000)
    assert client.uploads.retrieve(upload.id).file_id == file.id
    other = client.uploads.create()
    client.uploads.put_part(other.id, 1, b"something else")
    with pytest.raises(ValueError, match="came from other bytes"):
        client.files.create(source, upload_id=other.id, part_bytes=30_000)
    assert client.uploads.cancel(other.id).status == "cancelled"


def test_a_target_from_a_file_holds_out_a_share(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f'{{"prompt":"{n}?","completion":"{n}","group":"g"}}\n' for n in range(10)))
    file = client.files.create(path)
    target = client.targets.create(file_id=file.id, held_out={"ratio": 0.2})
    assert target.groups == {"g": 8}
    assert client.targets.retrieve(str(target.held_out_target_id)).count == 2
    assert client.targets.create([question(1)]).held_out_target_id is None
