"""``python -m benchmarks``: both clients against the same node, side by side, as one table."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import document, report, transactions
from .chain import chain_listing
from .install import fresh_install, measured
from .processes import (
    ROOT,
    Contender,
    bare_interpreter,
    client_environment,
    contenders,
    run_once,
    running_node,
    warm_up,
)


def main() -> None:
    """Measure and print; with ``--write`` also keep the result in the documentation."""
    arguments = _arguments()
    asyncio.run(_measure(arguments))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5, metavar="N")
    parser.add_argument("--skip-install", action="store_true", help="leave the install rows out")
    parser.add_argument(
        "--write", action="store_true", help=f"write {document.PATH.relative_to(ROOT)}"
    )
    parser.add_argument(
        "--published",
        type=Path,
        default=ROOT / ".venv-interop",
        metavar="FOLDER",
        help="the environment of the published client (make interop)",
    )
    return parser.parse_args()


async def _measure(arguments: argparse.Namespace) -> None:
    both = contenders(arguments.published)
    if missing := [each for each in both if not each.python.exists()]:
        sys.exit(f"{missing[0].python} is not there: run `make interop`")
    found = await _repeated(both, arguments.repetitions)
    if not arguments.skip_install:
        _say("installing the wheel into a fresh environment")
        installed = measured(arguments.published), await fresh_install()
        for runs, size in zip(found, installed, strict=True):
            runs.append(asdict(size))
    lines = report.table(*found)
    print(report.as_text(lines), "", *_footnotes(found), sep="\n")
    raw = (await transactions.measure()).lines()
    print("", report.as_text(raw, transactions.HEADINGS), "", sep="\n")
    print(*transactions.footnotes(), f"On {report.machine()}.", sep="\n")
    print(f"A Python process that does nothing takes {await _bare():.2f} s.")
    if arguments.write:
        document.write(lines, raw, _footnotes(found), arguments.repetitions)


async def _repeated(
    both: tuple[Contender, Contender], repetitions: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Run the two in turns, so that whatever else the machine does falls on both alike."""
    found: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    with tempfile.TemporaryDirectory(prefix="opengradient-bench-") as state:
        async with running_node() as node, chain_listing(node) as network:
            environment = client_environment(network, Path(state))
            for contender in both:
                await warm_up(contender, environment)
            for repetition in range(repetitions):
                for contender, runs in zip(both, found, strict=True):
                    _say(f"repetition {repetition + 1} of {repetitions}: {contender.name}")
                    runs.append(await run_once(contender, environment))
    return found


async def _bare() -> float:
    return statistics.median([await bare_interpreter() for _ in range(5)])


def _footnotes(found: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> list[str]:
    theirs, ours = (runs[0]["loaded"] or "none of the three" for runs in found)
    return [
        "*Ratio met* means: the target itself is missed at this machine's speed, but ours is as "
        "many times better than the published client as the target was when it was set.",
        "After a paid call the process has loaded, of web3, eth_account and pydantic: "
        f"{theirs} (published), {ours} (ours).",
    ]


def _say(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
