"""Foreign text and tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from .wording import plain

Row = Sequence[str]

_LONGEST: Final = 200
_MEANINGFUL: Final = frozenset("\\`*_{}[]<>#|&!~")


def table(columns: Row, rows: Iterable[Row], count: int) -> Iterator[str]:
    """Yield the lines of a table, and how many of ``count`` rows it leaves out."""
    yield f"| {' | '.join(columns)} |"
    yield "|" + "---|" * len(columns)
    written = 0
    for row in rows:
        written += 1
        yield f"| {' | '.join(row)} |"
    if written < count:
        yield ""
        yield f"… {count - written:,} more; the JSON form has them all."


def code(foreign: str) -> str:
    """Return foreign text as code: nothing in it is Markdown, HTML or the end of a cell."""
    shown = plain(foreign, _LONGEST).replace("`", "'").replace("|", "\\|")
    return f"`{shown}`" if shown.strip() else ""


def text(foreign: str) -> str:
    """Return a foreign sentence as text, in which nothing is Markdown or HTML."""
    return "".join(f"\\{char}" if char in _MEANINGFUL else char for char in plain(foreign))
