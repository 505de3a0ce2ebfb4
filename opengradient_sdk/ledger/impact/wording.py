"""How names, times and numbers are written for people."""

from __future__ import annotations

from datetime import UTC, datetime

from ...types import Amount


def plain(text: str, longest: int | None = None) -> str:
    """Return foreign text on one line: nothing in it moves a cursor or turns the writing round."""
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    return shown if longest is None or len(shown) <= longest else shown[: longest - 1] + "…"


def moment(seconds: float) -> str:
    """Return Unix seconds as UTC, to the millisecond."""
    try:
        time = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g} s"  # no calendar has it
    return f"{time:%Y-%m-%d %H:%M:%S}.{time.microsecond // 1000:03d}Z"


def price(cost: Amount | None) -> str:
    """Return a computed cost, or that there is none."""
    return "cost unknown" if cost is None else str(cost)


def number_of(count: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
