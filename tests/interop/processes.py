"""Programs of others as child processes that never outlive the test that started them."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Script:
    """A running script: it is told JSON or commands line by line, and answers JSON lines."""

    process: Process
    log: IO[bytes]

    async def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()

    async def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        assert line, self.complaint()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def complaint(self) -> str:
        """Return the end of what it wrote to standard error."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-5000:]


@asynccontextmanager
async def script(python: Path, name: str, **environment: str) -> AsyncIterator[Script]:
    """Run a script of this folder; it is killed at the end if it still runs.

    Its environment is only what is given: no proxy and no key of whoever runs the tests gets in.
    """
    # standard error goes to a file: nobody reads it in time, and a full pipe would stop a server
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            python,
            "-u",
            HERE / name,
            stdin=PIPE,
            stdout=PIPE,
            stderr=log,
            limit=1 << 24,
            env={"PATH": os.environ.get("PATH", ""), **environment},
        )
        try:
            yield Script(process, log)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()  # reads the pipes to their end, so that they are closed


async def ask(
    python: Path, name: str, question: Mapping[str, Any], *, timeout: float, **environment: str
) -> dict[str, Any]:
    """Return what a script answers to a question on its standard input."""
    async with asyncio.timeout(timeout), script(python, name, **environment) as running:
        await running.tell(json.dumps(question))
        return await running.answer()
