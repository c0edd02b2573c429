"""What the machinery around the work costs, and how fast it recovers.

python -m benchmarks.jobs [--quick] [--json]

Real servers and worker processes (tests.chaos.fleet), bodies that are empty, busy, or slow:
shards_per_second      empty shards from the commit of the job to its completion, two workers
overhead_ratio         100 shards of busy work by one worker / the same bodies called in a loop, minus 1
recovery_seconds_p99   from kill -9 of a worker child to the next claim of its shard, short leases
cancel_seconds         from the request to the cancelled job, with the default heartbeat
accepts_without_broker POST while the broker is down, and the job's end after it is back
polling_p99_ms         1,000 jobs polled 200 times a second while a job computes
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx

from benchmarks.machine import describe
from store import jobs, pools, targets
from store.embedded import processes, servers
from store.models import Job
from store.plans import ShardPlan
from store.settings import Settings
from store.shards import Claim
from store.states import TERMINAL, JobKind
from tests.chaos import faults
from tests.chaos.fleet import Fleet, fleet
from tests.chaos.phases import features
from tests.chaos.runs import recoveries
from workers.context import Context
from workers.job_task import Work

EMPTY = {"CHAOS_BODIES": "empty"}
ROUNDS_PER_SHARD = 300  # of a megabyte of SHA-256: about half a second
POLLED = 1_000
POLLS_PER_SECOND = 200
