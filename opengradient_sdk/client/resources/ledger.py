"""The ledger: checked, and anchored outside of its store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..work import CallWork

if TYPE_CHECKING:
    from ...ledger.anchors import Anchor
    from ...ledger.checkpoints import Checkpoint
    from ...ledger.report import LedgerReport


class LedgerView:
    """``client.ledger``: everything that was recorded, in chains that cannot be changed unseen."""

    def __init__(self, work: CallWork) -> None:
        self._work = work

    async def check(
        self, *, anchors: Sequence[Checkpoint] = (), public_key: str | None = None
    ) -> LedgerReport:
        """Recompute the whole ledger of this store, and name every entry that is not as written.

        **Trust**: finds any change, gap or reorder. A cut-off tail, and a ledger that was written
        anew as a whole, show only against ``anchors``: checkpoints that were kept elsewhere.

        Raises:
            LedgerError: The store cannot be read.
        """
        from ...ledger.checking import check_ledger

        core = self._work.core
        await core.ledger.flushed()
        return await check_ledger(
            core.store, anchors=anchors, public_key=public_key, vault=core.vault
        )

    async def checkpoint(self, *anchors: Anchor) -> Checkpoint:
        """Sign how far every chain of this store has come, and write that to ``anchors``.

        An anchor is a place that whoever changes the store cannot change as well: a file elsewhere
        (``FileAnchor``), a web service (``WebhookAnchor``), or a chain: ``anchor_request`` makes
        the transaction.

        Raises:
            LedgerError: The store or an anchor cannot be written.
        """
        checkpoint = await self._work.core.ledger.checkpoint()
        for anchor in anchors:
            await anchor.write(checkpoint)
        return checkpoint
