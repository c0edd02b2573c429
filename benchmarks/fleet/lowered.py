"""The product's worker, to which a pool of more than FLEET_HELD_BYTES in float32 is large."""

import os

from billiard.process import current_process  # type: ignore[import-untyped]  # it has none

from workers.app import app as app

app.conf.include = [*app.conf.include, __name__]  # a child makes the application anew, of what it includes
if current_process().name != "MainProcess":  # a child: parents compute nothing, and load no torch
    from workers.features import conditioned_rows

    conditioned_rows.HELD_BYTES = int(os.environ["FLEET_HELD_BYTES"])
