"""Ending background work without losing what went wrong in it."""

from __future__ import annotations

import asyncio


async def stop_task(task: asyncio.Task[None]) -> None:
    """Cancel a task and return when it is gone; raise what it had failed with."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()
