"""Every verb as users of strict type checkers write it. Never run: mypy and pyright read it.

`make check` reads it by mypy; `python -m tests_integrations typing` by both, over the installed client.
"""

import datetime
from collections.abc import Iterator
from pathlib import Path

from evoselect_client import AsyncClient, Client
from evoselect_client.models import Job, Loop, Pool, Selection


def data(client: Client, path: Path) -> tuple[str, Pool]:
    """Files, uploads, targets, pools."""
    file = client.files.create(path, progress=True)
    size: int = client.files.retrieve(file.id).size + len(client.files.content(file.id))
    saved: Path = client.files.save(file.id, path)
    client.files.delete(client.files.list(page_size=size).__next__().id)
    upload = client.uploads.create(name=saved.name)
    client.uploads.put_part(upload.id, 1, b"")
    whole: str | None = client.uploads.complete(upload.id, sha256=None).file_id
    client.uploads.cancel(client.uploads.retrieve(upload.id).id)
    names: list[str | None] = [one.name for one in client.uploads.list()]
    target = client.targets.create([{"prompt": "1 + 1?", "completion": "2"}], held_out={"ratio": 0.5})
    target = client.targets.update(target.update(name=names[0]).id, metadata={"file": whole or ""})
    texts = [str(row.record["prompt"]) for row in client.targets.records(target.id, search="1")]
    client.targets.delete(client.targets.retrieve(next(client.targets.list(order="asc")).id).id)
    pool = client.pools.create(name=texts[0]).update(metadata={"team": "a"})
    count: int = pool.add(path, on_invalid="skip").counts.accepted
    client.pools.add(pool.id, iter([{"prompt": "a", "completion": "b"}]), part_bytes=count)
    versions: list[str] = [batch.id for batch in client.pools.batches(pool.id, after=1)]
    client.pools.delete(client.pools.update(versions[0], name="").id)
    numbers: list[int] = [row.number for row in client.pools.records(pool.id, extra={"source": "web"})]
    nearest = client.pools.similar(pool.id, "c1", limit=3).data + pool.similar("c1").data
    made = client.indexings.create(pool_id=pool.id, features={"kind": "hidden"}).wait()
    recall: float | None = client.indexings.retrieve(made.id).output()["recall"]
    print([one.cosine for one in nearest if not one.near_copy], recall)
    since = datetime.datetime.now().astimezone()
    newest = next(client.pools.list(created_after=since, page_size=numbers[0]))
    return target.id, client.pools.retrieve(newest.id)


def selections(client: Client, target_id: str, pool: Pool) -> Selection:
    """From the request to the rows."""
    cost: object = client.selections.estimate(target_id=target_id, pool_id=pool.id, k=3)["valid"]
    job = client.selections.create(
        target_id=target_id, pool_id=pool.id, k=3, spec={"lambda": "auto"}, features={}, name=str(cost)
    )
    job = client.selections.retrieve(job.id).wait(timeout=60, cancel_on_interrupt=True).poll(1).refresh()
    job = client.selections.poll(client.selections.update(job.update(name="a").id, name="b").id, 1.5)
    gap: float | None = job.output()["diagnostics"].get("gap")
    score: float | None = next(job.items(extra={"source": "web"})).score
    why: str = next(client.selections.items(job.id)).why + next(job.rows()) + f"{gap} {score}"
    rows: Iterator[str] = client.selections.rows(job.id, reasons=True)
    reasons = [one.reason for one in (*job.rejected(), *client.selections.rejected(job.id))]
    kinds = [event.type for event in (*job.events(), *client.selections.events(job.id, follow=True))]
    paths: list[Path] = [job.save("a.jsonl"), job.to_jsonl("b"), job.to_parquet("c", reasons=True)]
    tables: list[object] = [job.to_dataset(None), job.to_pandas()]
    pages: str = job.report() + client.selections.report(job.id) + why + "".join(rows)
    maps: bytes = job.report_map() + client.selections.report_map(job.id)
    numbers = (job.report_numbers(), client.selections.report_numbers(job.id))
    overlap = client.selections.compare(job.id, next(client.selections.list(order="desc")).id).overlap
    status: str = client.selections.candidate(job.id, "c1").status
    print(reasons, kinds, paths, tables, pages, maps, numbers, overlap, status)
    client.selections.delete(client.selections.cancel(job.cancel().id).id)
    return client.selections.retry(job.retry().id)


def ends(client: Client, job: Job) -> str:
    """What every kind of job can do, by way of its noun."""
    for noun in (client.trainings, client.evaluations, client.loops, client.comparisons, client.indexings):
        for event in noun.events(job.id):
            print(event.created_at)
        for one in noun.list():
            print(one.eta_seconds)
        noun.delete(noun.retry(noun.cancel(noun.poll(noun.update(job.id, name="a").id, 1).id).id).id)
    return client.trainings.retrieve(job.id).status


def training(client: Client, selection: Selection, folder: Path) -> float | None:
    """Adapters and how good they are."""
    trained = client.trainings.create(selection_id=selection.id, spec={"epochs": 1.0}).wait().output()
    model = client.models.retrieve(trained["model_id"]).update(name="a")
    client.models.save(client.models.update(model.id, metadata={}).id, folder)
    kept: int = len(client.models.content(model.id)) + len(client.models.lineage(model.id))
    names: list[str | None] = [one.name for one in client.models.list(page_size=kept)]
    client.models.delete(model.id)
    measured = client.evaluations.create(model=str(names[0]), target_id="tgt_1")
    other = client.evaluations.retrieve(measured.id).wait(progress=print)
    print(client.evaluations.compare(measured.id, other.id), client.evaluations.scores(other.id))
    return other.output().get("accuracy")


def loops(client: Client, target_id: str) -> Loop:
    """Loops and comparisons."""
    loop = client.loops.create(target_id=target_id, generator={"kind": "push"}, k=3)
    for round_ in (*loop.rounds(), *client.loops.rounds(loop.id)):
        print(round_.number)
    loop.push(1, [{"prompt": "a", "completion": "b"}])
    client.loops.push(loop.id, 1, "rows.jsonl", more=True)
    report: str = loop.report() + client.loops.report(loop.id)
    loop = client.loops.resume(client.loops.pause(loop.pause().resume().id).id)
    asked = client.comparisons.estimate(target_id=target_id, pool_id="pool_1", k=3)
    versus = client.comparisons.create(target_id=target_id, pool_id="pool_1", k=3)
    versus = client.comparisons.resume(client.comparisons.pause(versus.pause().resume().id).id)
    report += versus.report() + client.comparisons.report(client.comparisons.retrieve(versus.id).id)
    print(report, asked)
    return client.loops.retrieve(loop.id).wait()


def account(client: Client) -> list[str | None]:
    """Keys, webhooks, the audit."""
    key = client.api_keys.create("ci", ["select"])
    key = client.api_keys.revoke(client.api_keys.rotate(key.id, overlap_seconds=60).id)
    hook = client.webhook_endpoints.create("https://example.org", events=["job.completed"])
    hook = client.webhook_endpoints.enable(client.webhook_endpoints.rotate_secret(hook.id).id)
    for sent in (*client.webhook_deliveries.of(hook.id), *client.webhook_deliveries.list()):
        client.webhook_deliveries.redeliver(client.webhook_deliveries.retrieve(sent.id).id)
    client.webhook_endpoints.delete(client.webhook_endpoints.retrieve(hook.id).id)
    counts = [len(list(client.webhook_endpoints.list())), len(list(client.audit_events.list()))]
    print(counts, client.audit_events.retrieve("evt_1").id)
    return [client.api_keys.retrieve(one.id).id for one in client.api_keys.list()]


def answers(client: Client) -> str | None:
    """Options, raw answers, streams, any route."""
    quick = client.with_options(timeout=5, max_retries=0, headers={"X-Team": "a"})
    pool = quick.pools.with_options(idempotency_key="mine").create().with_options(timeout=1)
    raw = client.with_raw_response.pools.retrieve(pool.id)
    version: int = raw.parsed.version + client.pools.with_raw_response.retrieve(pool.id).status
    with client.with_streaming_response.files.content("file_1") as streamed:
        lines: list[str] = list(streamed.iter_lines())
        path: Path = streamed.save(lines[0])
    print(version, path, client.request("GET", "/v1/pools", params={"limit": 1}).parsed)
    return raw.request_id


async def awaited(client: AsyncClient) -> Selection | None:
    """The same verbs, awaited."""
    target = await client.targets.create("target.jsonl")
    pool = await (await client.pools.create()).update(name="a")
    await pool.add("pool.jsonl")
    job = await (await client.selections.create(target_id=target.id, pool_id=pool.id, k=3)).wait()
    names: list[str] = [item.id async for item in job.items()]
    raw = await client.with_raw_response.selections.retrieve(names[0])
    async with client.with_streaming_response.selections.report_map(raw.parsed.id) as streamed:
        size: int = len(await streamed.read())
    async for page in client.pools.list(page_size=size).pages():
        print(page.has_next_page)
    print((await client.request("GET", "/v1/pools")).status)
    return None
