"""Bodies that are taken piece by piece, with constant memory."""

import asyncio
from collections.abc import Callable
from typing import IO

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from service.edge.quotas import require_disk

CHECK_BYTES = 64 * 2**20  # of a body between two checks of the disk
PIECE = 2**20  # bytes handled in one go in a thread, so that other requests are served meanwhile


async def in_pieces(request: Request, take: Callable[[bytes], object]) -> int:
    """Hand the body to `take` in order, in a thread; the next piece is received meanwhile. Returns its size.

    When it raises, no call of `take` runs any more.
    """
    waiting, size = bytearray(), 0
    taking: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    taking.set_result(None)
    try:
        async for chunk in request.stream():
            waiting += chunk
            size += len(chunk)
            if len(waiting) >= PIECE:
                await taking
                if size // CHECK_BYTES > (size - len(waiting)) // CHECK_BYTES:
                    await run_in_threadpool(require_disk, request.app.state.services)
                taking = asyncio.ensure_future(run_in_threadpool(take, bytes(waiting)))
                waiting.clear()
        await taking
    finally:
        await asyncio.wait([taking])
    if waiting:
        await run_in_threadpool(take, bytes(waiting))
    return size


async def receive_into(request: Request, file: IO[bytes]) -> int:
    """Write the body to a file; returns its size."""
    return await in_pieces(request, file.write)
