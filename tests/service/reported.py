"""A completed selection with all that a select worker leaves behind: real features, select and report."""

from typing import Any

import orjson
import torch
from torch.nn.functional import normalize

from evoselect.arrays import Ints
from evoselect.copies.find import Leak
from evoselect.neighbours.both_ways import nearest_both_ways
from evoselect.select import select
from evoselect.spec.copies import NearCopies
from evoselect.spec.selection import SelectionSpec
from store.artifacts import Artifacts
from store.records.layout import Layout, read_row
from store.records.record import parse_record
from store.results import considered
from store.results import items as selected
from tests.live import Api, question
from tests.service.finishing import finish
from workers.selections import near_copies
from workers.selections import report as selection_report
from workers.selections.items import item
from workers.selections.near_copies import Found

Json = dict[str, Any]
HOSTILE = '</script><script>window.stolen=1</script><img src=x onerror="window.stolen=1">'


def features(n: int, m: int, d: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit candidates (n, d) around 8 modes, of which the targets (m, d) have three."""
    generator = torch.Generator().manual_seed(0)
    modes = torch.randn(8, d, generator=generator)

    def draw(count: int, among: int) -> torch.Tensor:
        which = torch.randint(among, (count,), generator=generator)
        return normalize(modes[which] + 0.7 * torch.randn(count, d, generator=generator), dim=1)

    return draw(n, 8), draw(m, 3)


def leaked(job: Json) -> dict[str, dict[int, Leak]]:
    """A candidate that repeats the first example, which is hostile; and a set that nothing leaks from."""
    return {job["request"]["target_id"]: {4: Leak(4, 0, 0.96875, 0.5)}, "tgt_held": {}}


def similar(candidates: torch.Tensor, chosen: Ints) -> list[tuple[int, float] | None]:
    """Rank and cosine of the item that each candidate is most like, None of items themselves."""
    alike, held = nearest_both_ways(candidates, candidates[chosen]), set(chosen.tolist())
    return [
        None if at in held else (int(alike.target[at]) + 1, float(alike.cosine[at]))
        for at in range(len(candidates))
    ]


def columns(number: int) -> dict[str, str]:
    """Of two columns the values of a candidate."""
    return {"source": "book" if number % 3 else "web", "lang": "en" if number % 2 else "de"}


def reported(api: Api, *, n: int = 300, m: int = 20, k: int = 60, wide: bool = False, **body: Any) -> Json:
    """The job; the text, id and group of its first record, target and name are hostile.

    With ``wide`` candidates have the columns of `columns`.
    """
    pool = [question(number, id=f"c{number}", **(columns(number) if wide else {})) for number in range(n)]
    goal = [question(1000 + number, id=f"t{number}", group="all") for number in range(m)]
    pool[0] |= {"prompt": HOSTILE, "id": f"c0{HOSTILE}"}
    goal[0] |= {"prompt": HOSTILE, "id": f"t0{HOSTILE}"}
    body = {"candidates": pool, "target": goal, "k": k, "name": HOSTILE, **body}
    job = api.made("/v1/selections", body)
    artifacts = Artifacts(api.settings.artifacts_url)
    candidates, targets = features(n, m)
    candidates[0] = targets[0]  # so that the hostile record is among the selected
    chosen = select(candidates, targets, k, SelectionSpec(tradeoff=True), seed=0)
    sent, wanted = [read_row(row, Layout())[0] for row in pool], [parse_record(row) for row in goal]
    rows = [
        item(reason, candidates=sent, targets=wanted, tokens=[0] * len(sent), flags={})
        for reason in chosen.items()
    ]
    near = nearest_both_ways(candidates, targets)
    leaks = {target_id: (wanted, found) for target_id, found in leaked(job).items()}
    copies = Found(NearCopies(), sent, set(), [[0, 7, 9, 11, 12, 13, 14]], leaks, 0.1)
    counts = {"pool": n + 3, "usable": n, "left_out": {"too_long": 3}, "target": m, "target_statuses": {}}
    result = {
        "counts": counts,
        "conditioning": "none",
        "features": {},
        "manifest": {"versions": {"torch": torch.__version__}},
        "near_copies": copies.summary(),
        "diagnostics": orjson.loads(orjson.dumps(chosen.diagnostics)),
        "artifacts": {
            "items": selected.put(artifacts, "t/items", rows),
            "considered": considered.put(
                artifacts,
                "t/considered",
                ids=[record.id for record in sent],
                hashes=[record.content_hash for record in sent],
                nearest=[wanted[at].id for at in near.target.tolist()],
                cosines=near.cosine.tolist(),
                items=similar(candidates, chosen.indices),
            ),
            "near_copies": near_copies.put(artifacts, "t", copies.flags(), sent),
            **selection_report.store(
                artifacts,
                "t",
                seed=0,
                sent=sent,
                wanted=wanted,
                candidates=candidates,
                targets=targets,
                selection=chosen,
                near=near,
                copies=copies,
            ),
        },
    }
    finish(api, job["id"], result)
    return api.get(f"/v1/selections/{job['id']}")
