"""The worker of the chaos suite: the product's own, with two light bodies in place of the numerical ones.

CHAOS_BREAK names a guard that is taken out of this process, to show that the suite would notice;
CHAOS_BODIES=empty leaves nothing but the machinery, for benchmarks.jobs. CHAOS_BODIES=large takes the
product's own phases, over pools that are large from a few rows on; with CHAOS_KIND the worker is of another
release, and leaves selections to the others. CHAOS_CLOCK_HOURS makes its clock wrong.
"""

import os
import time

from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.chaos.breaking import BREAK_VARIABLE, breaker
from workers.app import app as app
from workers.process.phases_by_name import PHASES

ASKED = ("sums", "lists")
PHASES.clear()
if os.environ.get("CHAOS_BODIES") == "empty":
    PHASES.update(features="tests.chaos.phases.empty", transport="tests.chaos.phases.empty")
elif os.environ.get("CHAOS_BODIES") == "large":
    PHASES.update({name: f"tests.chaos.phases.large.{name}" for name in (*ASKED, "features", "transport")})
    if os.environ.get("CHAOS_KIND"):
        del PHASES["transport"]
else:
    PHASES.update({name: f"tests.chaos.phases.{name}" for name in ("features", "lists", "transport")})
app.conf.include = [*app.conf.include, "tests.chaos.app"]

if hours := float(os.environ.get("CHAOS_CLOCK_HOURS", "0")):
    right = time.time
    time.time = lambda: right() + hours * 3600.0

if os.environ.get(BREAK_VARIABLE):
    event.listen(Engine, "before_cursor_execute", breaker(os.environ[BREAK_VARIABLE]), retval=True)
