"""The share of a disk that is free, as `df` counts it."""

import subprocess
from pathlib import Path

from store.disk import free_share


def test_the_share_is_that_of_df_also_for_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    said = subprocess.run(
        ["df", "--output=used,avail", "-k", tmp_path], capture_output=True, text=True, check=True
    )
    used, available = map(int, said.stdout.splitlines()[1].split())
    for place in (tmp_path, tmp_path / "not" / "there"):
        assert abs(free_share(place) - available / (used + available)) < 0.01
