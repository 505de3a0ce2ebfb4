"""The authorizations behind touched calls, by the newest that the ledger knows of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from ..._core.json_in import parse_json
from ..._core.store import Db, Store
from ...payments.status import PaymentStatus
from ...types import Address, Amount
from ..receipt_json import payment_from_json
from .findings import Calls, Touched, TouchedPayment
from .reading import chunks, one_of, unreadable

_Key = tuple[str, Address, int]

_LATER: Final = """
SELECT subject, body FROM ledger_entry
WHERE subject {} AND kind = 'payment' AND kind <> 'receipt' ORDER BY at, writer, seq"""
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
    def last(self) -> Touched:
        return max(self.outputs + self.downstream, key=lambda each: (each.at, each.id))


@dataclass(frozen=True, slots=True)
class _Word:
    """What an entry says of an authorization."""

    recipient: Address
    cap: Amount
    session: int
    status: PaymentStatus


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
    return tuple(_payment(key, use, words.get(key)) for key, use in uses.items())


def _uses(touched: Iterable[Touched]) -> Mapping[_Key, _Use]:
    uses: dict[_Key, _Use] = {}
    for each in sorted(touched, key=lambda each: (each.at, each.id)):
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
        data = cast(Mapping[str, Any], parse_json(body))["data"]
        facts = data["authorization"]
        return _Word(
            recipient=Address(facts["recipient"]),
            cap=Amount(int(facts["max_amount"])),
            session=int(facts["calls"]),
            status=payment_from_json(data["payment"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise unreadable(f"the ledger's entry about {subject!r}") from error


def _payment(key: _Key, use: _Use, word: _Word | None) -> TouchedPayment:
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
    )
