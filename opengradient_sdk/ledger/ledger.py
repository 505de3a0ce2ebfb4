"""The ledger of one client: append-only, chained, and quick to write."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from .._core.clock import Clock
from .._core.gathering import Gathering
from .._core.store import Db, Store
from .._core.vault import Vault
from ..errors import ConfigurationError, LedgerError
from ..payments.status import PaymentStatus
from ..types import Address
from ..verification import Evidence, SignedFields
from .checkpoints import Checkpoint, read_heads, write_checkpoint
from .content import ContentMode, form_in
from .entries import as_column, payment_subject
from .facts import Content
from .keys import ledger_key
from .lines import FORGET, Drafting, Line, documents_in
from .query import ReceiptQuery
from .reading import Reader
from .receipt import AuthorizationFacts, Receipt
from .receipt_json import documents_of, receipt_to_json
from .standing import Written, forgettable
from .writing import ChainWriter

_NO_DOCUMENTS: Final[Mapping[str, bytes]] = MappingProxyType({})
_log: Final = logging.getLogger("opengradient_sdk.ledger")


class Ledger:
    """Receipts, and what has become known of them, in a store that others may share.

    Nothing that was written is changed: what comes later is an entry of its own. Each client is a
    *writer* with one chain of entries, each of which holds the hash of the one before; clients of
    several processes write at the same time without waiting for each other.

    What is recorded gathers for 20 ms and is then written in one durable transaction, with what
    others gather. What cannot be written is kept, in order, and tried again; until then
    ``require_writable`` raises.

    **Trust**: whoever can write to the store can write a chain anew. ``checkpoint`` signs how far
    all chains have come; only where that is kept elsewhere does a cut-off tail show.

    **Money**: payment signatures are sealed, and given out when nobody can be paid with them.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        *,
        owner: Address,
        network: str,
        clock: Clock,
        gathering: Gathering,
        content: ContentMode = "encrypted",
    ) -> None:
        self._store = store
        self._vault = vault
        self._owner = owner
        self._network = network
        self._clock = clock
        self._writer = secrets.token_hex(8)
        self._drafting = Drafting(owner, network, content)
        chain = ChainWriter(vault, self._writer, form_in(content))
        self._lines = gathering.queue("the ledger", chain)
        self._reader = Reader(store, vault)
        self._has_begun = False

    def __repr__(self) -> str:
        return f"Ledger(owner={self._owner!r}, network={self._network!r})"

    @property
    def writer(self) -> str:
        """The random id of this client's chain."""
        return self._writer

    # Writing

    def record(self, receipt: Receipt) -> None:
        """Write a receipt down soon, with what is known of it now. Never waits.

        ``receipt.content`` is kept as this ledger keeps content; the payment signature of
        ``receipt.life`` is sealed, once for each authorization.
        """
        self._add(self._drafting.receipt(receipt, self._clock.now()))

    def amend(
        self,
        receipt_id: str,
        *,
        documents: Mapping[str, bytes] = _NO_DOCUMENTS,
        **changes: object,
    ) -> None:
        """Write down soon what has become known of a receipt. Never waits.

        Args:
            receipt_id: Which receipt.
            documents: The documents that ``changes`` name by their SHA-256 (hex).
            **changes: Members as ``receipt_to_json`` has them.

        Raises:
            ValueError: A member that never changes, or one that is not of that form.
        """
        if changes:
            now = self._clock.now()
            self._add(self._drafting.amended(receipt_id, changes, documents, now))

    def revise(self, before: Receipt, after: Receipt) -> None:
        """Write down soon what ``after`` says otherwise than ``before``. Never waits.

        Raises:
            ValueError: They differ in what never changes.
        """
        old, new = receipt_to_json(before), receipt_to_json(after)
        changes = {name: value for name, value in new.items() if value != old[name]}
        if before.evidence != after.evidence:
            known = set(before.evidence.checks)
            added = Evidence(tuple(c for c in after.evidence.checks if c not in known))
            changes["evidence"] = added.to_json()  # others may add checks at the same time
        self.amend(before.id, documents=documents_of(after), **changes)

    def payment(self, facts: AuthorizationFacts, status: PaymentStatus) -> None:
        """Write down soon what the chain says of an authorization. Never waits."""
        self._add(self._drafting.payment(facts, status, self._clock.now()))

    def require_writable(self) -> None:
        """Return if the last lines could be written; if not, try them again now.

        **Money**: asked before anything is signed or sent, it stops spending before a record of it
        is lost.

        Raises:
            LedgerError: They could not. They are kept.
        """
        self._lines.require_writable()

    async def flushed(self) -> None:
        """Return when everything that was recorded before is durable.

        Raises:
            LedgerError: It could not be written. It is kept, in order, and tried again.
        """
        await self._lines.flushed()

    async def forget(self, receipt_id: str) -> None:
        """Delete question, answer and the node's statement of a receipt; the chain still verifies.

        That they were forgotten is an entry of its own. What was forgotten before stays so.

        Raises:
            LedgerError: There is no such receipt, or the store cannot be written.
        """
        await self._written(receipt_id)
        await self._lines.flushed()
        if await self._store.run(lambda db: _is_forgotten(db, receipt_id)):
            return
        self._add(
            Line(
                "forgotten",
                self._clock.now(),
                receipt_id,
                "{}",
                effects=((FORGET, (as_column(receipt_id), as_column(receipt_id))),),
            )
        )
        await self._lines.flushed()

    async def checkpoint(self) -> Checkpoint:
        """Sign how far the chains of all writers in the store have come, and keep that.

        **Trust**: inside the store it shows a chain that was written anew. A cut-off tail shows
        only against a checkpoint that is kept elsewhere.

        Raises:
            LedgerError: The store cannot be read or written.
        """
        await self._lines.flushed()
        key = await ledger_key(self._store, self._vault)
        heads = await self._store.run(read_heads)
        checkpoint = Checkpoint.signed(key, heads, at=self._clock.now())
        self._add(write_checkpoint(checkpoint))
        await self._lines.flushed()
        return checkpoint

    async def aclose(self) -> None:
        """Write what waits; no task or timer is left. What cannot be written is logged."""
        try:
            await self._lines.flushed()
        except (LedgerError, ConfigurationError) as error:
            _log.error("receipts were not written before the ledger was closed: %s", error)
        finally:
            self._lines.close()

    # Reading

    async def get(self, receipt_id: str) -> Receipt:
        """Return a receipt as it stands, also one that could not be written yet.

        Raises:
            LedgerError: There is none, or the store cannot be read.
        """
        written = await self._written(receipt_id)
        waiting = documents_in(self._lines.waiting)
        (receipt,) = await self._reader.receipts([written], waiting)
        return receipt

    async def select(self, query: ReceiptQuery | None = None) -> tuple[Receipt, ...]:
        """Return the receipts that match, as they stand.

        Raises:
            LedgerError: The store cannot be read, or what was recorded could not be written.
        """
        asked = query or ReceiptQuery()
        await self._lines.flushed()
        found = await self._reader.matching(asked, self._owner, self._network)
        return await self._reader.receipts(found)

    async def count(self, query: ReceiptQuery | None = None) -> int:
        """Return how many receipts match, whatever the query's limit.

        Raises:
            LedgerError: The store cannot be read, or what was recorded could not be written.
        """
        asked = query or ReceiptQuery()
        await self._lines.flushed()
        condition, values = asked.condition(self._owner, self._network)
        statement = f"SELECT COUNT(*) FROM ledger_receipt WHERE {condition}"  # noqa: S608 - literals
        ((count,),) = await self._store.run(lambda db: db.execute(statement, values))
        return int(count)

    async def content_of(
        self, receipt_id: str
    ) -> tuple[Content | None, SignedFields | None, bytes | None]:
        """Return question and answer, the node's statement, and the salt of the commitment to them.

        Each is ``None`` where it is not kept any more, or never was.

        Raises:
            LedgerError: There is no such receipt, or the store cannot be read.
        """
        kept = forgettable(await self._written(receipt_id), self._vault)
        return (None, None, None) if kept is None else (kept.content, kept.signed, kept.salt)

    async def payment_signature(self, facts: AuthorizationFacts) -> bytes | None:
        """Return the signature of an authorization once nobody can be paid with it any more.

        **Money**: ``None`` until its deadline has passed by the client's clock, and where no
        receipt brought it.

        Raises:
            LedgerError: The store cannot be read, or its key does not open it.
        """
        if self._clock.now() <= facts.deadline:
            return None
        await self._lines.flushed()
        return await self._reader.secret(payment_subject(facts))

    # Inside

    def _add(self, line: Line) -> None:
        if self._lines.is_closed:  # nobody would write it
            raise LedgerError(
                "the ledger is closed, and what is not recorded is not handed out",
                hint="Read answers to their end before you close the client.",
            )
        if not self._has_begun:
            self._has_begun = True
            self._lines.add(self._drafting.began(self._writer, line.at))
        self._lines.add(line)

    async def _written(self, receipt_id: str) -> Written:
        """Return what is written of a receipt, with what waits to be."""
        await self._lines.tried()
        waiting = list(self._lines.waiting)
        receipt = _receipt_among(waiting, receipt_id)
        if receipt is None:
            found = await self._reader.find("id = ?", [as_column(receipt_id)], limit=1)
        else:
            found = [Written.waiting(receipt)]
        if not found:
            raise LedgerError(
                f"no receipt {receipt_id!r}",
                hint="Is it of another store? Receipts are in the store of the client (store=).",
            )
        subjects = (receipt_id, found[0].payment)
        return found[0].with_waiting(_later_among(waiting, subjects))


def _receipt_among(lines: Sequence[Line], receipt_id: str) -> Line | None:
    return next(
        (line for line in lines if line.kind == "receipt" and line.subject == receipt_id), None
    )


def _later_among(lines: Sequence[Line], subjects: Sequence[str]) -> list[Line]:
    return [line for line in lines if line.kind != "receipt" and line.subject in subjects]


def _is_forgotten(db: Db, receipt_id: str) -> bool:
    return bool(
        db.execute(
            "SELECT seq FROM ledger_entry"
            " WHERE subject = ? AND kind = 'forgotten' AND kind <> 'receipt' LIMIT 1",
            (as_column(receipt_id),),
        )
    )
