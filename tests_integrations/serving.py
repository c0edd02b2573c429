"""The product, started for tests in environments of their own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embedded.supervisor import Supervisor
from store.settings import Settings


@contextmanager
def service(folder: Path, **settings: Any) -> Iterator[dict[str, str]]:
    """The product until the block ends; what tells a client where it is."""
    supervisor = Supervisor(Settings(home=folder / "home", **settings), say=print)
    supervisor.start()
    watch = threading.Thread(target=supervisor.run, daemon=True)
    watch.start()
    try:
        yield {"EVOSELECT_URL": supervisor.url, "EVOSELECT_API_KEY": supervisor.home.secrets().api_key}
    finally:
        supervisor.stopping = True
        watch.join()
        supervisor.stop()
