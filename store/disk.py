"""How much of a disk is left: a reserve stays free, so that databases and logs never meet a full one."""

import os
from pathlib import Path

from store.settings import Settings


def free_share(path: Path | str) -> float:
    """Share in [0, 1] of the file system at a path, or at its nearest existing parent, that may be written.

    As `df` counts it: what is kept for root is neither used nor free.
    """
    place = Path(path)
    while not place.exists():
        place = place.parent
    found = os.statvfs(place)
    writable = found.f_blocks - found.f_bfree + found.f_bavail
    return found.f_bavail / writable if writable else 1.0


def places(settings: Settings) -> list[Path]:
    """Where this deployment writes on local disks: data directory, and artifact store where it is one."""
    url = settings.artifacts_url
    return [settings.home, *([Path(url.removeprefix("file://"))] if url.startswith("file://") else [])]


def is_short(settings: Settings) -> bool:
    """Whether the reserve of any of them is used up."""
    return any(free_share(place) < settings.disk_reserve_share for place in places(settings))
