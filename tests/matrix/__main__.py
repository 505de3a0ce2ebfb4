"""``python -m tests.matrix``: run the matrix, or one cell of it, and print the figures."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from opengradient_sdk.devnet.faults import FAULTS

from .cells import SEEDS, Cell, matrix, sample
from .rules import Verdict
from .running import LANES, run
from .subjects import HONEST, SUBJECTS
from .table import table


def main() -> None:
    """Run, print, and fail where a rule did not hold."""
    arguments = _arguments()
    started = time.monotonic()
    cells = _cells(arguments)
    verdicts = asyncio.run(
        run(cells, subject=arguments.subject, lanes=arguments.lanes, keep=arguments.keep)
    )
    if arguments.verdicts is not None:
        arguments.verdicts.write_text(json.dumps([verdict.to_json() for verdict in verdicts]))
        return
    broken = [verdict for verdict in verdicts if verdict.violations]
    _print(verdicts, broken)
    print(f"\n{len(verdicts)} runs in {time.monotonic() - started:.0f} s", file=sys.stderr)
    sys.exit(1 if broken else 0)


def _print(verdicts: list[Verdict], broken: list[Verdict]) -> None:
    print(table(verdicts))
    for verdict in broken:
        print("", verdict, sep="\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("--cell", action="append", metavar="NAME", help="run this cell (again)")
    parser.add_argument("--fault", action="append", choices=sorted(FAULTS), help="only this fault")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help="runs per situation")
    parser.add_argument("--sample", action="store_true", help="what `make test` runs")
    parser.add_argument("--part", default="0/1", metavar="K/N", help="every N-th cell, from K on")
    parser.add_argument("--subject", default=HONEST, choices=sorted(SUBJECTS))
    parser.add_argument("--lanes", type=int, default=LANES, metavar="N")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the records here")
    parser.add_argument("--verdicts", type=Path, metavar="FILE", help="write them here, as JSON")
    return parser.parse_args()


def _cells(arguments: argparse.Namespace) -> list[Cell]:
    if arguments.cell:
        return [Cell.named(name) for name in arguments.cell]
    if arguments.sample:
        cells = sample()
    else:
        cells = list(matrix(range(arguments.seeds), arguments.fault or tuple(FAULTS)))
    first, step = map(int, arguments.part.split("/"))
    return cells[first::step]


if __name__ == "__main__":
    main()
