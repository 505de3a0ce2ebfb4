"""Rows that are inserted many with one statement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from .db import Value

_ONE_ROW: Final = re.compile(r"(?<=VALUES )\([?, ]+\)")
_TOGETHER: Final = 64
"""Rows of one statement at most."""
_FEW: Final = 8
"""From here on the rows of a statement are a power of two: few statements are to be prepared."""


def batches(statement: str, rows: Sequence[Sequence[Value]]) -> Iterator[tuple[str, list[Value]]]:
    """Yield statements that together insert ``rows``, where ``statement`` inserts one.

    After each statement, the thread that writes waits for the interpreter again: beside a busy
    event loop that takes milliseconds, and far longer than the statement itself.
    """
    start = 0
    while left := len(rows) - start:
        count = left if left < _FEW else 1 << min(left, _TOGETHER).bit_length() - 1
        yield (
            _of_many(statement, count),
            [value for row in rows[start : start + count] for value in row],
        )
        start += count


@lru_cache(maxsize=256)
def _of_many(statement: str, count: int) -> str:
    return _ONE_ROW.sub(lambda row: ", ".join([row[0]] * count), statement, count=1)
