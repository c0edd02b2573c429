"""The worker of the chaos suite: the product's own, with two light bodies in place of the numerical ones.

CHAOS_BREAK names a guard that is taken out of this process, to show that the suite would notice;
CHAOS_BODIES=empty leaves nothing but the machinery, for benchmarks.jobs.
"""

import os

from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.chaos.breaking import BREAK_VARIABLE, breaker
from workers.app import app as app
from workers.process.phases_by_name import PHASES

PHASES.clear()
if os.environ.get("CHAOS_BODIES") == "empty":
    PHASES.update(features="tests.chaos.phases.empty", transport="tests.chaos.phases.empty")
else:
    PHASES.update({name: f"tests.chaos.phases.{name}" for name in ("features", "lists", "transport")})
app.conf.include = [*app.conf.include, "tests.chaos.app"]

if os.environ.get(BREAK_VARIABLE):
    event.listen(Engine, "before_cursor_execute", breaker(os.environ[BREAK_VARIABLE]), retval=True)
