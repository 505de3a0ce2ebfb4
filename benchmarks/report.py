"""The table: what was measured, what is to be reached, and whether it is."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Found = Sequence[Mapping[str, Any]]
"""What each repetition found, by name."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be reached: at most ``limit``, or at least where ``at_least``.

    ``reference`` is what the published client took where the target was set.
    """

    limit: float
    reference: float | None = None
    at_least: bool = False

    def verdict(self, published: float, ours: float) -> str:
        """Say whether ours reaches it, or on a slow machine is as many times better as it asks."""
        if ours >= self.limit if self.at_least else ours <= self.limit:
            return "met"
        if self.reference is None:
            return "NOT MET"
        as_asked = self.times_better(published, ours) >= self.times_better(
            self.reference, self.limit
        )
        return "ratio met" if as_asked else "NOT MET"

    def times_better(self, published: float, ours: float) -> float:
        """Return how many times better ours is."""
        return ours / published if self.at_least else published / ours


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity: its name in the measurements, and how it is shown."""

    what: str
    key: str
    unit: str
    target: Target | None = None
    digits: int = 0
    more_is_better: bool = False
    """Of a row without a target; a target says it itself."""


ROWS: Final = (
    Row("import", "import_ms", "ms", Target(100, 1570)),
    Row("import, memory of the process", "import_mib", "MiB", Target(45, 134), 1),
    Row("import and construct", "construct_ms", "ms", Target(250, 1590)),
    Row("a process that makes one paid call", "process_s", "s", Target(0.5, 2.06), 2),
    Row("one Permit2 payment, signed", "sign_ms", "ms", Target(0.2, 3.3), 2),
    Row("warm paid call", "warm_ms", "ms", Target(1.2, 1.6), 2),
    Row("warm paid call, CPU", "warm_cpu_ms", "ms", Target(0.6, 0.93), 2),
    Row("warm paid call, requests", "warm_requests", "", Target(1)),
    Row("calls/s at concurrency 50", "calls_per_second", "", Target(1500, 587, at_least=True)),
    Row("50 calls on a fresh client", "burst_ms", "ms", Target(80, 343)),
    Row("… requests on the paid route", "burst_paid_requests", "", Target(51)),
    Row("… requests to the node in all", "burst_requests", ""),
    Row("… payments signed", "burst_payments", "", Target(1)),
    Row("50 fresh calls, node takes 1 s", "slow_ms", "ms", Target(1300)),
    Row("… payments signed", "slow_payments", "", Target(1)),
    Row("base install, distributions", "distributions", "", Target(46)),
    Row("base install", "megabytes", "MB", Target(100)),
    Row("… without bytecode", "megabytes_without_bytecode", "MB"),
)
HEADINGS: Final = ("what", "published 1.1.4", "ours", "ratio", "to reach", "")


def table(published: Found, ours: Found, rows: Sequence[Row] = ROWS) -> list[tuple[str, ...]]:
    """Return the lines of the table, without its headings; rows nobody measured are left out."""
    return [
        _line(row, _samples(published, row.key), _samples(ours, row.key))
        for row in rows
        if _samples(ours, row.key)
    ]


def _samples(found: Found, key: str) -> list[float]:
    return [float(each[key]) for each in found if key in each]


def _line(row: Row, published: list[float], ours: list[float]) -> tuple[str, ...]:
    theirs, own = statistics.median(published), statistics.median(ours)
    return (
        row.what,
        _shown(row, published),
        _shown(row, ours),
        _ratio(row, theirs, own),
        _goal(row),
        "" if row.target is None else row.target.verdict(theirs, own),
    )


def _shown(row: Row, samples: list[float]) -> str:
    middle = _number(row, statistics.median(samples))
    if min(samples) == max(samples):
        return middle
    low, high = (f"{edge:.{row.digits}f}" for edge in (min(samples), max(samples)))
    return f"{middle} ({low}–{high})"


def _number(row: Row, value: float) -> str:
    return f"{value:.{row.digits}f} {row.unit}".rstrip()


def _ratio(row: Row, published: float, ours: float) -> str:
    target = row.target or Target(0, at_least=row.more_is_better)
    factor = target.times_better(published, ours)
    return f"{factor:.2g}×" if factor < 10 else f"{factor:.0f}×"


def _goal(row: Row) -> str:
    if row.target is None:
        return ""
    sign = "≥" if row.target.at_least else "≤"
    return f"{sign} {row.target.limit:g} {row.unit}".rstrip()


def machine() -> str:
    """Return what the numbers were taken on."""
    cores = len(os.sched_getaffinity(0))
    return (
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {cores} cores, "
        f"load {os.getloadavg()[0]:.1f} at the end"
    )


def as_text(lines: Sequence[tuple[str, ...]], headings: tuple[str, ...] = HEADINGS) -> str:
    """Return the table for a terminal."""
    rows = [headings, *lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def as_markdown(lines: Sequence[tuple[str, ...]], headings: tuple[str, ...] = HEADINGS) -> str:
    """Return the table in Markdown."""
    rule = ("---",) * len(headings)
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, rule, *lines))
