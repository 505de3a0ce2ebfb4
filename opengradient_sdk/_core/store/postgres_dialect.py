"""What PostgreSQL and psycopg do in their own way, made the same as on SQLite."""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import psycopg

_QUOTED_OR_MARK: Final = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | (?P<mark>\?)""",
    re.DOTALL | re.VERBOSE,
)


@lru_cache(maxsize=1024)
def numbered(statement: str) -> bytes:
    """Return ``statement`` with its ``?`` as ``$1``, ``$2`` …; not those in quotes or comments."""
    numbers = itertools.count(1)

    def replace(found: re.Match[str]) -> str:
        return found[0] if found["mark"] is None else f"${next(numbers)}"

    return _QUOTED_OR_MARK.sub(replace, statement).encode()


def speak_plainly(connection: psycopg.Connection[Any]) -> None:
    """Send every whole number as BIGINT, and return none as a ``Decimal``.

    psycopg sends small numbers with small types; each mixture would be a statement of its own to
    prepare. Sums of BIGINT come back as NUMERIC.
    """
    from psycopg.adapt import Loader
    from psycopg.types.numeric import Int8Dumper

    class NumberLoader(Loader):
        def load(self, data: bytes | bytearray | memoryview) -> int | float:
            text = bytes(data).decode()
            return int(text) if text.lstrip("-").isdecimal() else float(text)

    connection.adapters.register_dumper(int, Int8Dumper)
    connection.adapters.register_loader("numeric", NumberLoader)
