"""The authorizations behind touched calls, by the newest that the ledger knows of each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from ..._core.json_in import parse_json
from ..._core.store import Db, Row, Store
from ...payments.status import PaymentStatus
from ...types import Address, Amount
from ..receipt_json import payment_from_json
from .findings import Calls, Touched, TouchedPayment
from .reading import chunks, one_of, unreadable

_Key = tuple[str, Address, int]

_LATER: Final = """
SELECT subject, body FROM ledger_entry
WHERE subject {} AND kind = 'payment' AND kind <> 'receipt' ORDER BY at, writer, seq"""
_COUNT: Final = """
SELECT network, owner, nonce, COUNT(*) FROM ledger_receipt
WHERE created_at >= ? AND created_at <= ? GROUP BY network, owner, nonce"""
_MOST_COUNTED: Final = 500
"""Authorizations of which the receipts are counted: at worst that reads the whole table once."""

_APART: Final = 900.0
"""Seconds within which all calls of an authorization begin: it takes none that comes later than
100 s after it was signed, and opening it takes a minute or two."""

_FIRST: Final = """
SELECT made.id, entry.body FROM ledger_receipt AS made
JOIN ledger_entry AS entry ON entry.writer = made.writer AND entry.seq = made.seq
WHERE made.id {}"""


@dataclass(slots=True)
class _Use:
    """Which touched calls joined one authorization."""

    outputs: list[Touched] = field(default_factory=list[Touched])
    downstream: list[Touched] = field(default_factory=list[Touched])

    def add(self, touched: Touched) -> None:
        (self.downstream if touched.depth else self.outputs).append(touched)

    @property
    def first(self) -> Touched:
        return min(self.outputs + self.downstream, key=_when)

    @property
    def last(self) -> Touched:
        return max(self.outputs + self.downstream, key=_when)


def _when(touched: Touched) -> tuple[float, str]:
    return touched.at, touched.id


@dataclass(frozen=True, slots=True)
class _Word:
    """What an entry says of an authorization."""

    recipient: Address
    cap: Amount
    session: int
    status: PaymentStatus
    at: float


async def payments_of(store: Store, touched: Iterable[Touched]) -> tuple[TouchedPayment, ...]:
    """Return the authorizations that these calls joined, in the order of their first call.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    uses = _uses(touched)
    words = await _words(store, _LATER, {_subject(key): key for key in uses})
    # an authorization that nobody asked the chain about yet: its last receipt names the cap
    silent = {use.last.id: key for key, use in uses.items() if key not in words}
    words |= await _words(store, _FIRST, silent)
    counts = await _counts(store, uses)
    return tuple(_payment(k, use, words.get(k), counts.get(k)) for k, use in uses.items())


def _uses(touched: Iterable[Touched]) -> Mapping[_Key, _Use]:
    uses: dict[_Key, _Use] = {}
    for each in sorted(touched, key=_when):
        uses.setdefault(each.payment, _Use()).add(each)
    return uses


def _subject(key: _Key) -> str:
    network, owner, nonce = key
    return f"payment {network} {owner} {nonce}"


async def _words(store: Store, statement: str, subjects: Mapping[str, _Key]) -> dict[_Key, _Word]:
    words: dict[_Key, _Word] = {}
    for chunk in chunks(subjects):
        for subject, body in await store.run(_newest(statement, chunk)):
            words[subjects[subject]] = _word(subject, body)
    return words


def _newest(statement: str, subjects: Sequence[str]) -> Callable[[Db], list[tuple[str, str]]]:
    among, values = one_of(subjects)

    def work(db: Db) -> list[tuple[str, str]]:
        rows = db.execute(statement.format(among), values)
        return list(dict(rows).items())  # the last of each

    return work


def _word(subject: str, body: str) -> _Word:
    try:
        entry = cast(Mapping[str, Any], parse_json(body))
        data = entry["data"]
        facts = data["authorization"]
        return _Word(
            recipient=Address(facts["recipient"]),
            cap=Amount(int(facts["max_amount"])),
            session=int(facts["calls"]),
            status=payment_from_json(data["payment"]),
            at=float(entry["at"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise unreadable(f"the ledger's entry about {subject!r}") from error


async def _counts(store: Store, uses: Mapping[_Key, _Use]) -> Mapping[_Key, int]:
    """Return how many receipts each authorization has in the ledger now, unless they are too many.

    There is no index of nonces, as it would cost every call: they are counted where they can be.
    """
    if len(uses) > _MOST_COUNTED:
        return {}
    # as they are written: a row that somebody spoiled is that of nobody
    keys = {
        (network, str(owner), str(nonce)): (network, owner, nonce) for network, owner, nonce in uses
    }
    counts: Counter[_Key] = Counter()
    for first, last in _periods(uses.values()):
        for *texts, count in await store.run(_counted(first, last)):
            if (key := keys.get(tuple(texts))) is not None:
                counts[key] += count
    return counts


def _counted(first: float, last: float) -> Callable[[Db], list[Row]]:
    return lambda db: db.execute(_COUNT, (first, last))


def _periods(uses: Iterable[_Use]) -> Iterator[tuple[float, float]]:
    """Yield the times in which the calls of these authorizations began, apart from each other."""
    since = until = -math.inf
    for first, last in sorted((use.first.at - _APART, use.last.at + _APART) for use in uses):
        if first > until:
            if until > since:
                yield since, until
            since = first
        until = max(until, last)
    if until > since:
        yield since, until


def _payment(key: _Key, use: _Use, word: _Word | None, receipts: int | None) -> TouchedPayment:
    network, owner, nonce = key
    return TouchedPayment(
        network=network,
        owner=owner,
        nonce=nonce,
        recipient=None if word is None else word.recipient,
        cap=None if word is None else word.cap,
        status=None if word is None else word.status,
        session=None if word is None else word.session,
        outputs=Calls.of(use.outputs),
        downstream=Calls.of(use.downstream),
        receipts=receipts,
        told_at=None if word is None else word.at,
    )
