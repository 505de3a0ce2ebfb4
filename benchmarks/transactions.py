"""``python -m benchmarks.transactions``: raw transactions, beside web3.py, as one table.

With ``--stress`` also the runs that try to lose or to double a transaction: minutes of them.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from opengradient_sdk.types import Address

from . import report
from .anvil import GAS_LIMIT, running_anvil
from .processes import ROOT, found_by
from .report import Row, Target
from .sending import GAS, SENDER

COUNT: Final = 6_000
"""Transactions sent at once: enough seconds of blocks for a rate."""
REPETITIONS: Final = 3

_ONE_BY_ONE: Final = 8
_EVERY_SECOND: Final = ("--block-time", "1")
_NEVER: Final = ("--no-mining",)
_TIMES_BETTER: Final = 1.8
_RATE: Final = Target(1000, 1000 / _TIMES_BETTER, at_least=True)
_PURE_PYTHON: Final = {"ECC_BACKEND_CLASS": "eth_keys.backends.NativeECCBackend"}

HEADINGS: Final = (
    "what",
    f"web3.py {importlib.metadata.version('web3')}",
    *("ours", "ratio", "to reach", ""),
)
ROWS: Final = (
    Row("tx/s, 8 one by one", "one_by_one", "", digits=2, more_is_better=True),
    Row("tx/s, execute_many", "execute_many", "", _RATE),
    Row("… CPU of the sender for each", "execute_many_cpu_ms", "ms", None, 2),
    Row(
        "… times web3.py's in the same repetition",
        "execute_many_times",
        "",
        Target(_TIMES_BETTER, at_least=True),
        2,
    ),
    Row("tx/s, a task with execute for each", "execute", "", _RATE),
    Row("… CPU of the sender for each", "execute_cpu_ms", "ms", None, 2),
    Row("sign one EIP-1559 transaction", "sign_tx_ms", "ms", Target(0.2, 0.3), 3),
    Row("… beside eth_account without coincurve", "sign_tx_pure_ms", "ms", None, 3),
    Row("read 100 balances and 100 allowances, calls", "read_calls", "", Target(1)),
    Row("… time", "read_ms", "ms", None, 1),
)


@dataclass(slots=True)
class Measured:
    """What each repetition found of theirs and of ours."""

    theirs: list[dict[str, Any]] = field(default_factory=list)
    ours: list[dict[str, Any]] = field(default_factory=list)

    def lines(self) -> list[tuple[str, ...]]:
        """Return the table, without its headings."""
        return report.table(self.theirs, self.ours, ROWS)


async def measure(repetitions: int = REPETITIONS, count: int = COUNT) -> Measured:
    """Measure both in turns, so that whatever else the machine does falls on both alike."""
    found = Measured()
    with tempfile.TemporaryDirectory(prefix="opengradient-bench-") as folder:
        programs = _Programs(Path(folder))
        for repetition in range(repetitions):
            say(f"repetition {repetition + 1} of {repetitions}: transactions")
            theirs, ours = await _sent(programs, count)
            for measurement in (_signed, _read):
                their_part, our_part = await measurement(programs)
                theirs |= their_part
                ours |= our_part
            found.theirs.append(theirs)
            found.ours.append(ours)
    return found


def footnotes(count: int = COUNT) -> list[str]:
    """Return what one has to know to read the table."""
    return [
        f"*tx/s*: {count:,} plain transfers of one account, gas and fees given, from the first "
        "signature to the last receipt, on an anvil of its own with a block each second "
        f"({GAS_LIMIT // GAS:,} such transfers fit into one). web3.py: `gather` over local "
        "signing with a counter of one's own, nothing written down. Ours: journalled in a SQLite "
        "file, durably, before it is broadcast.",
    ]


class _Programs:
    """The scripts under measurement, each run in a process of its own."""

    def __init__(self, state: Path) -> None:
        self._environment = {
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(state / "bytecode"),
            "PYTHONPATH": str(ROOT),
        }

    async def run(
        self, script: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return what one of them found, by name."""
        return await found_by(
            Path(sys.executable),
            str(Path(__file__).with_name(script)),
            *arguments,
            environment={**self._environment, **(environment or {})},
        )

    async def send(self, script: str, way: str, count: int) -> dict[str, Any]:
        """Return what one sender found on a chain of its own."""
        async with running_anvil(Address(SENDER), mining=_EVERY_SECOND) as url:
            return await self.run(script, way, url, str(count))


async def _sent(programs: _Programs, count: int) -> tuple[dict[str, Any], dict[str, Any]]:
    theirs = await programs.send("sending_web3.py", "one_by_one", _ONE_BY_ONE)
    theirs |= await programs.send("sending_web3.py", "gather", count)
    ours = await programs.send("sending_ours.py", "one_by_one", _ONE_BY_ONE)
    for way in ("execute_many", "execute"):
        ours |= await programs.send("sending_ours.py", way, count)
        # nothing of theirs is faster than the gather: it stands beside both of ours
        theirs |= {way: theirs["gather"], f"{way}_cpu_ms": theirs["gather_cpu_ms"]}
    ours["execute_many_times"] = ours["execute_many"] / theirs["gather"]
    return {**theirs, "execute_many_times": 1.0}, ours


async def _signed(programs: _Programs) -> tuple[dict[str, Any], dict[str, Any]]:
    theirs = await programs.run("signing.py", "eth_account")
    pure = await programs.run("signing.py", "eth_account", environment=_PURE_PYTHON)
    ours = await programs.run("signing.py", "ours")
    return (
        {**theirs, "sign_tx_pure_ms": pure["sign_tx_ms"]},
        {**ours, "sign_tx_pure_ms": ours["sign_tx_ms"]},
    )


async def _read(programs: _Programs) -> tuple[dict[str, Any], dict[str, Any]]:
    async with running_anvil(Address(SENDER), mining=_NEVER) as url:
        theirs = await programs.run("reading.py", "web3", url)
        ours = await programs.run("reading.py", "ours", url)
    return theirs, ours


def say(progress: str) -> None:
    """Tell whoever waits; the table alone is on standard output."""
    print(progress, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    found = asyncio.run(measure(arguments.repetitions, arguments.count))
    print(report.as_text(found.lines(), HEADINGS), "", *footnotes(arguments.count), sep="\n")
    if arguments.stress:
        from . import stress  # needs the tests beside it

        found_out = asyncio.run(stress.lines(arguments.seed, say))
        print("", report.as_text(found_out, stress.HEADINGS), sep="\n")
    print(f"On {report.machine()}.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transactions", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, metavar="N")
    parser.add_argument("--count", type=int, default=COUNT, metavar="N", help="transactions")
    parser.add_argument("--stress", action="store_true", help="also try to break it")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the faults")
    return parser.parse_args()


if __name__ == "__main__":
    main()
