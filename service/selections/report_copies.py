"""Near-copies and leaks as the report's page lists them: ids, partners, and texts where they are known."""

from itertools import zip_longest
from typing import Any

from store.kit.json import Json

NOTHING: Any = ()  # in place of texts that were not kept


def copies(report: Json) -> Json | None:
    """Clusters, and leaks by set; None where nobody looked for them."""
    found: Json | None = report["near_copies"]
    texts: Json = report["near_copy_texts"] or {"clusters": [], "leaks": []}
    if found is None:
        return None
    clusters = zip_longest(found["clusters"]["listed"], texts["clusters"], fillvalue=NOTHING)
    sets = zip_longest(found["leaks"], texts["leaks"], fillvalue=NOTHING)
    own = report["selection"]["request"].get("target_id")
    return {
        "threshold": found["threshold"],
        "dropped": [name for name in ("within", "leaks") if found[name] == "drop"],
        "clusters": {
            "count": found["clusters"]["count"],
            "rows": found["clusters"]["rows"],
            "listed": [_cluster(cluster, beginnings) for cluster, beginnings in clusters],
        },
        "leaks": [_set(leaks, beginnings, own) for leaks, beginnings in sets],
    }


def _cluster(cluster: Json, texts: list[str]) -> Json:
    members = [{"id": id, "text": text} for id, text in zip_longest(cluster["ids"][: len(texts) or 1], texts)]
    return {"rows": cluster["rows"], "members": members, "more": cluster["rows"] - len(members)}


def _set(leaks: Json, texts: list[Json], own: str | None) -> Json:
    listed = [
        {"text": None, "partner_text": None, **leak, **(beginning or {})}
        for leak, beginning in zip_longest(leaks["listed"], texts)
    ]
    return {**leaks, "own": leaks["target_id"] == own, "listed": listed}
