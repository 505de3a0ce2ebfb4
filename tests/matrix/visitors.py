"""Customers with the published client, each in a process of its own, which may be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from opengradient_sdk import Devnet

from .customer import Wish

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON: Final = ROOT / ".venv-interop" / "bin" / "python"
_DRIVER: Final = ROOT / "tests" / "interop" / "published_matrix.py"
_PATIENCE: Final = 60.0


class GoneError(Exception):
    """The customer's process is no more."""


class Visitor:
    """The published client in a process of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._pid = 0

    async def hello(self) -> None:
        """Wait until its client is made."""
        self._pid = (await self._answer())["pid"]

    async def wish(self, wish: Wish, *, dies_after: float | None = None) -> str | None:
        """Return the answer to a call, if it gets one; it may be killed while it waits for it."""
        self._writer.write(json.dumps(asdict(wish)).encode() + b"\n")
        if dies_after is not None:
            await asyncio.sleep(dies_after)  # it tells nobody where it is: the moment is drawn
            self.kill()
        text: str | None = (await self._answer())["text"]
        return text

    def kill(self) -> None:
        """End the process as a crash of the machine would."""
        os.kill(self._pid, signal.SIGKILL)

    async def leave(self) -> None:
        """Let it go, if it is still there."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            pass  # it was killed

    async def _answer(self) -> dict[str, Any]:
        try:
            line = await asyncio.wait_for(self._reader.readline(), _PATIENCE)
        except ConnectionResetError:  # it was killed before it read what it was asked
            line = b""
        if not line:
            raise GoneError
        answer: dict[str, Any] = json.loads(line)
        return answer


class Office:
    """Where visitors come from: one process with everything loaded, which is forked."""

    def __init__(self, net: Devnet, door: Path, parent: Process) -> None:
        self._net = net
        self._door = door
        self._parent = parent
        self._arrived: asyncio.Queue[Visitor] = asyncio.Queue()

    @classmethod
    @asynccontextmanager
    async def opened(cls, net: Devnet, door: Path) -> AsyncIterator[Office]:
        """Start the process; it ends with the block. Visitors enter by the socket ``door``."""
        parent = await asyncio.create_subprocess_exec(
            PYTHON,
            _DRIVER,
            stdin=PIPE,
            env={"PATH": os.environ.get("PATH", ""), "BASE_MAINNET_RPC": net.chain.rpc_url},
        )
        office = cls(net, door, parent)
        try:
            async with await asyncio.start_unix_server(office._enter, door, limit=1 << 24):
                yield office
        finally:
            if parent.returncode is None:
                parent.kill()
            await parent.wait()

    async def visitor(self, key: bytes) -> Visitor:
        """Return a client with this wallet, in a new process."""
        job = {
            "socket": str(self._door),
            "private_key": "0x" + key.hex(),
            "registry_rpc": self._net.registry_chain.rpc_url,
            "registry": self._net.profile.tee_registry,
        }
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(job).encode() + b"\n")
        visitor = await asyncio.wait_for(self._arrived.get(), _PATIENCE)
        await visitor.hello()
        return visitor

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._arrived.put_nowait(Visitor(reader, writer))
