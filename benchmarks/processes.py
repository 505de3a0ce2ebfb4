"""Everything that is measured runs in a process of its own; here they are started."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .chain import CHAIN_ID, PAYEE, NodeRecord

ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Contender:
    """A client under measurement: its interpreter, the script that drives it, what it imports."""

    name: str
    python: Path
    script: Path
    module: str


def contenders(published_environment: Path) -> tuple[Contender, Contender]:
    """Return the published client and ours, in this order."""
    here = Path(__file__).parent
    return (
        Contender(
            "published",
            published_environment / "bin" / "python",
            here / "published.py",
            "opengradient",
        ),
        Contender("ours", Path(sys.executable), here / "ours.py", "opengradient_sdk"),
    )


@asynccontextmanager
async def running_node() -> AsyncIterator[NodeRecord]:
    """Run the node; it ends with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.node", str(CHAIN_ID), PAYEE),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield NodeRecord.from_json(json.loads(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


def client_environment(network: Mapping[str, str], state: Path) -> dict[str, str]:
    """Return the environment of the clients' processes, which keep what they write in ``state``.

    Bytecode is cached for both, wherever they are imported from: an installed package has it.
    """
    return {
        **os.environ,
        **network,
        "OG_STATE_DIR": str(state),
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(state / "bytecode"),
        # the scripts share the workload, and neither client's environment has it installed
        "PYTHONPATH": str(ROOT),
    }


async def warm_up(contender: Contender, environment: Mapping[str, str]) -> None:
    """Make one call that nobody times, so that all bytecode is there."""
    await _run(contender, environment, str(contender.script), "call")


async def run_once(contender: Contender, environment: Mapping[str, str]) -> dict[str, Any]:
    """Put a client through everything once; return what was found, by name.

    Raises:
        RuntimeError: A program failed; its own message is on standard error.
    """
    script = str(contender.script)
    startup = str(contender.script.with_name("startup.py"))
    imported = await _run(contender, environment, startup, contender.module)
    constructed = await _run(contender, environment, script, "construct")
    started = time.perf_counter()
    called = await _run(contender, environment, script, "call")
    process = {"process_s": time.perf_counter() - started}
    worked = await _run(contender, environment, script, "work")
    return {**imported, **constructed, **called, **process, **worked}


async def bare_interpreter() -> float:
    """Return the seconds that a Python process takes which does nothing."""
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "pass")
    await process.wait()
    return time.perf_counter() - started


async def _run(
    contender: Contender, environment: Mapping[str, str], *arguments: str
) -> dict[str, Any]:
    return await found_by(contender.python, *arguments, environment=environment)


async def found_by(python: Path, *arguments: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Run a program to its end and return what it found, by name.

    Raises:
        RuntimeError: It failed; its own message is on standard error.
    """
    process = await asyncio.create_subprocess_exec(
        str(python), *arguments, stdout=asyncio.subprocess.PIPE, env=environment
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{python} {' '.join(arguments)} failed")
    found: dict[str, Any] = json.loads(said)
    return found
