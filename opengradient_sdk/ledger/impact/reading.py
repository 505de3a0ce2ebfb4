"""What the ledger's tables say about an impact: short statements, for SQLite and PostgreSQL.

Links are followed by many small statements and not by one recursive query: from a query of unknown
size PostgreSQL expects so many rows that it reads all links at every level, and as one transaction
it would keep others from writing for as long as it takes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final

from ..._core.store import Db, Row, Value
from ...errors import ConfigurationError, LedgerError
from ...types import Address, Amount, Bytes32
from ..timeline.horizon import CLOCKS_WITHIN
from .findings import Touched
from .query import ImpactQuery

MOST_RECEIPTS: Final = 250_000
MOST_LINKS: Final = 1_000_000
"""Bounds of one impact, some hundreds of megabytes: what is larger is asked for by parts."""

CHUNK: Final = 500
"""Values in one statement."""

_SIZES: Final = (1, 20, CHUNK)
"""Lists of values come in these lengths only, so that few statements have to be prepared."""
_STATEMENTS: Final = 16
"""Statements in one transaction."""

LONGEST_CALL: Final = 900.0
"""Seconds: a call that took longer is judged as if it had not."""

EARLIER: Final = LONGEST_CALL + CLOCKS_WITHIN
LATER: Final = CLOCKS_WITHIN
"""Seconds by which a question can be earlier or later than a change that its answer is near to."""

Link = tuple[str, str]
"""A parent and its child."""

_COLUMNS: Final = "id, created_at, model, tag, run, tee_id, pcr_hash, owner, network, nonce, cost"


def find_outputs(
    query: ImpactQuery, *, earlier: float = 0.0, later: float = 0.0
) -> Callable[[Db], list[Row]]:
    """Return the work that reads the outputs in question.

    ``earlier`` and ``later`` are seconds by which it looks beyond the ends of the period. It raises
    ``ConfigurationError`` when there are too many.
    """
    condition, values = query.condition(earlier=earlier, later=later)
    statement = f"SELECT {_COLUMNS} FROM ledger_receipt WHERE {condition} LIMIT ?"  # noqa: S608 - literals

    def work(db: Db) -> list[Row]:
        rows = db.execute(statement, [*values, MOST_RECEIPTS + 1])
        require_bounds(receipts=len(rows))
        return rows

    return work


def find_links(
    parents: Sequence[str], known: Container[str]
) -> Callable[[Db], tuple[list[Link], list[str]]]:
    """Return the work that reads the links from ``parents``, and from their children, and so on.

    It returns the links, and those whose links are still to be read: it goes only so far in one
    transaction. ``known`` are followed elsewhere.
    """

    def work(db: Db) -> tuple[list[Link], list[str]]:
        links: list[Link] = []
        waiting = deque(parents)
        met: set[str] = set()
        for _ in range(_STATEMENTS):
            if not waiting:
                break
            among, values = one_of([waiting.popleft() for _ in range(min(CHUNK, len(waiting)))])
            statement = f"SELECT parent, child FROM ledger_parent WHERE parent {among} LIMIT ?"  # noqa: S608 - literals
            for parent, child in db.execute(statement, [*values, MOST_LINKS + 1]):
                links.append((parent, child))
                if child not in known and child not in met:
                    met.add(child)
                    waiting.append(child)
        return links, list(waiting)

    return work


def find_receipts(ids: Sequence[str]) -> Callable[[Db], list[Row]]:
    """Return the work that reads the receipts of these ids, at most ``CHUNK``."""
    among, values = one_of(ids)
    statement = f"SELECT {_COLUMNS} FROM ledger_receipt WHERE id {among}"  # noqa: S608 - literals
    return lambda db: db.execute(statement, values)


def touched_of(row: Row, *, depth: int, via: tuple[str, ...]) -> Touched:
    """Return the receipt that a row describes, at its place among the touched ones.

    Raises:
        LedgerError: The row is none of a receipt.
    """
    id_, at, model, tag, run, tee_id, pcr_hash, owner, network, nonce, cost = row
    try:
        return Touched(
            id=id_,
            at=at,
            model=model,
            tag=tag,
            run=run,
            tee_id=_bytes32(tee_id),
            pcr_hash=_bytes32(pcr_hash),
            owner=_address(owner),
            network=network,
            nonce=int(nonce),
            cost=None if cost is None else Amount(int(cost)),
            depth=depth,
            via=via,
        )
    except ValueError as error:
        raise unreadable(f"the ledger's row of the receipt {id_!r}") from error


def unreadable(what: str) -> LedgerError:
    """Return the error that ``what`` does not say what the ledger writes there."""
    return LedgerError(
        f"{what} cannot be read",
        hint="It was changed, or a newer version wrote it: `ogsdk ledger verify` says more.",
    )


# few nodes, builds and owners stand behind many receipts
_bytes32 = lru_cache(maxsize=1024)(Bytes32)
_address = lru_cache(maxsize=1024)(Address)


def one_of(values: Sequence[str]) -> tuple[str, list[Value]]:
    """Return the condition of being one of these, at most ``CHUNK``, in SQL and its values."""
    size = next(size for size in _SIZES if size >= len(values))
    repeated = [values[-1]] * (size - len(values))
    return f"IN ({', '.join('?' * size)})", [*values, *repeated]


def chunks(values: Iterable[str]) -> Iterator[Sequence[str]]:
    """Yield the values in chunks."""
    rest = iter(values)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def require_bounds(*, receipts: int = 0, links: int = 0) -> None:
    """Refuse what is too much for one answer: a part of it would not be the answer.

    Raises:
        ConfigurationError: It is too much.
    """
    if receipts > MOST_RECEIPTS or links > MOST_LINKS:
        raise ConfigurationError(
            f"more than {MOST_RECEIPTS:,} receipts or {MOST_LINKS:,} links between them are "
            "touched: too many for one answer",
            hint="Ask by parts: since= and until=, or one node after the other (tee_id=).",
        )
