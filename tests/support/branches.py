"""More clients of one wallet and one store: beside the first, and in processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from opengradient_sdk import Devnet

_PROGRAM: Final = Path(__file__).with_name("customer_program.py")


class GoneError(Exception):
    """The process is no more."""


class Branch:
    """A client in another process. It may be killed, or die at a point that it was told."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def ask(self, *questions: dict[str, Any]) -> list[dict[str, Any]]:
        """Ask all at once; return the outcome of each.

        Raises:
            GoneError: The process died meanwhile.
        """
        answers: list[dict[str, Any]] = await self._told({"do": "ask", "questions": questions})
        return answers

    async def standing(self) -> dict[str, int]:
        """Return ``exposed`` and ``settled`` of its budget, in atoms."""
        told = await self._told({"do": "standing"})
        return {name: int(value) for name, value in told.items()}

    async def dies(self, when: str) -> None:
        """Let it die by SIGKILL at one of the program's ``POINTS``."""
        await self._told({"do": "die", "when": when})

    async def kill(self) -> None:
        """End it as a crash of the machine would."""
        self._process.kill()
        await self._process.wait()

    async def gone(self) -> int:
        """Wait for its end; return its code: minus the signal that ended it."""
        return await self._process.wait()

    async def ready(self) -> None:
        """Wait until its client is open."""
        assert await self._heard() == "ready"

    async def _told(self, order: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return await self._heard()

    async def _heard(self) -> Any:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise GoneError
        return json.loads(line)


@asynccontextmanager
async def branch(net: Devnet, key: str, **arguments: Any) -> AsyncIterator[Branch]:
    """A process with an open client of the wallet with this private key."""
    environment = {"PATH": os.environ.get("PATH", ""), **net.env, "OG_PRIVATE_KEY": key}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-W", "error", _PROGRAM, stdin=PIPE, stdout=PIPE, env=environment
    )
    try:
        assert process.stdin is not None
        arguments["shift"] = net.clock.now() - time.time()  # its clock goes as the Devnet's does
        process.stdin.write(json.dumps(arguments).encode() + b"\n")
        one = Branch(process)
        await one.ready()
        yield one
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def until(holds: Callable[[], bool]) -> None:
    """Let everybody else work until something holds; nodes have no event for what they did."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0)
