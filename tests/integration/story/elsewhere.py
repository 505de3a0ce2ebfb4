"""A scribe in a process of its own, told what to do over pipes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from opengradient_sdk import Devnet

_PROGRAM: Final = Path(__file__).with_name("scribe.py")


class Elsewhere:
    """The same as ``Scribe``, from outside of its process."""

    def __init__(self, process: Process, net: Devnet) -> None:
        self._process = process
        self._net = net
        self._shift = _shift(net)

    async def tell(self, order: Mapping[str, Any]) -> Any:
        """Let the process do what an order says, and return what it says of it."""
        # its clock goes as the Devnet's does
        later, self._shift = _shift(self._net) - self._shift, _shift(self._net)
        return await self._told({**order, "later": max(0.0, later)})

    async def open(self, **arguments: Any) -> None:
        """Give it the arguments of its client, and wait until that is open."""
        assert await self._told({**arguments, "shift": self._shift}) == "ready"

    async def kill(self) -> None:
        """End it as a crash of the machine would: nothing is closed, nothing is flushed."""
        self._process.kill()
        await self._process.wait()

    async def _told(self, order: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        line = await self._process.stdout.readline()
        assert line, "the process is gone"
        return json.loads(line)


@asynccontextmanager
async def elsewhere(net: Devnet, key: str, **arguments: Any) -> AsyncIterator[Elsewhere]:
    """A process with an open client of the wallet with this private key.

    It ends in peace, unless it was killed.
    """
    environment = {"PATH": os.environ.get("PATH", ""), **net.env}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-W", "error", _PROGRAM), stdin=PIPE, stdout=PIPE, env=environment
    )
    try:
        one = Elsewhere(process, net)
        await one.open(key=key, **arguments)
        yield one
        if process.returncode is None:
            assert process.stdin is not None
            process.stdin.close()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _shift(net: Devnet) -> float:
    return net.clock.now() - time.time()
