"""Whether a ledger is what its writers wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from .._core.store import Db, Row, Store
from .._core.vault import Vault
from .beside_check import BesideCheck, read_beside
from .chain_check import BEFORE_ALL, ChainCheck, read_page, said_by
from .checkpoints import Checkpoint
from .report import Findings, LedgerReport
from .table_check import check_against, check_documents, check_keys, check_stored, check_strays

_NO_ANCHOR: Final = (
    "entries cut off from the end of a chain, or a whole writer: that shows only against a"
    " checkpoint that was kept outside the store (anchors=, --anchor)"
)
_NO_PUBLIC_KEY: Final = (
    "checkpoints signed by somebody else who has exchanged the ledger key: pass the public key that"
    " you know (public_key=, --public-key)"
)
_NO_VAULT: Final = "changes of what is sealed: pass the store's key (vault=, --store-key)"


@dataclass(slots=True)
class _Counts:
    writers: int = 0
    entries: int = 0
    receipts: int = 0


async def check_ledger(
    store: Store,
    *,
    anchors: Sequence[Checkpoint] = (),
    public_key: str | None = None,
    vault: Vault | None = None,
) -> LedgerReport:
    """Recompute everything and name the first bad entry of each writer.

    Found is every change, gap and reorder of entries, every row beside them that does not say what
    they say, content that is not what was committed to or is missing without having been forgotten,
    and bad checkpoints; against ``anchors``, a cut-off tail and a removed writer.

    Writers may go on meanwhile. It reads in pages: memory does not grow with the ledger.

    **Trust**: without an anchor, whoever can write to the store can cut off the end of a chain, and
    with the store's key also write all of it anew. The report says what it could not see.

    Args:
        store: Where the ledger is.
        anchors: Checkpoints that were kept elsewhere.
        public_key: The ledger key, in hex, as it was noted elsewhere.
        vault: The store's vault, to look into what is sealed.

    Raises:
        LedgerError: The store cannot be read.
    """
    if vault is not None:
        await vault.open()
    findings, counts, beside = Findings(), _Counts(), BesideCheck(vault)
    async for writer in _writers(store):
        await _check_chain(store, writer, findings, beside, counts)
    await check_strays(store, findings)
    await check_documents(store, findings)
    keys = await check_keys(store, vault, findings)
    checkpoints = await check_stored(store, keys, public_key, findings)
    for anchor in anchors:
        await check_against(store, anchor, public_key, findings)
    return LedgerReport(
        writers=counts.writers,
        entries=counts.entries,
        receipts=counts.receipts,
        checkpoints=checkpoints,
        anchors=len(anchors),
        unopened=beside.unopened,
        findings=tuple(findings.found),
        further=findings.further,
        unseen=_unseen(anchors, public_key, vault),
    )


async def _writers(store: Store) -> AsyncIterator[str]:
    """Yield everybody who has entries, one step through the index each."""
    after = ""
    while True:
        ((writer,),) = await store.run(_next_writer(after))
        if writer is None:
            return
        yield writer
        after = writer


def _next_writer(after: str) -> Callable[[Db], list[Row]]:
    statement = "SELECT MIN(writer) FROM ledger_entry WHERE writer > ?"
    return lambda db: db.execute(statement, (after,))


async def _check_chain(
    store: Store, writer: str, findings: Findings, beside: BesideCheck, counts: _Counts
) -> None:
    chain = ChainCheck(writer, findings, beside)
    first = BEFORE_ALL
    while lines := await store.run(partial(read_page, writer=writer, first=first)):
        said = await asyncio.to_thread(said_by, lines)
        rows = await store.run(partial(read_beside, writer=writer, said=said))
        await asyncio.to_thread(chain.check, lines, said, rows)
        first = lines[-1].seq + 1
    chain.end()
    counts.writers += 1
    counts.entries += chain.entries
    counts.receipts += chain.receipts


def _unseen(
    anchors: Sequence[Checkpoint], public_key: str | None, vault: Vault | None
) -> tuple[str, ...]:
    said: list[str] = []
    if not anchors:
        said.append(_NO_ANCHOR)
    if public_key is None:
        said.append(_NO_PUBLIC_KEY)
    if vault is None:
        said.append(_NO_VAULT)
    return tuple(said)
