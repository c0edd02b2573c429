"""How much of a disk is left: a reserve stays free, so that databases and logs never meet a full one."""

import os
from pathlib import Path


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
