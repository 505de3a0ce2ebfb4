"""A transaction in the dispatcher's queue: its nonce, its signature, and how it ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ..errors import OpenGradientError, SignerError, TransactionError
from ..signers.guard import sign_checked
from ..signers.protocol import Signer
from ..types import PreparedTx, SignedTx
from .draft import Draft
from .outbox.slots import Known, RequestKey, SlotState
from .pending import PendingTx


@dataclass(slots=True, eq=False)
class Item:
    """One request on its way; ``sent`` is what follows it once it may be in the chain.

    ``nonce`` is what is leased for it, ``signed`` what may be mined for it.
    """

    draft: Draft
    key: RequestKey | None
    sent: asyncio.Future[PendingTx]
    nonce: int | None = None
    signed: SignedTx | None = None
    tries: int = 0

    @property
    def takes_any(self) -> bool:
        """Whether any nonce will do: none is named, and none belongs to its request id."""
        return self.key is None and self.draft.request.nonce is None

    @property
    def leased(self) -> int:
        """The nonce, once there is one."""
        assert self.nonce is not None
        return self.nonce

    @property
    def transaction(self) -> SignedTx:
        """The signed transaction, once there is one."""
        assert self.signed is not None
        return self.signed

    def fail(self, error: Exception) -> None:
        """End it with an error, unless its caller has gone."""
        if not self.sent.done():
            self.sent.set_exception(error)

    def done(self, pending: PendingTx) -> None:
        """End it with what follows it, unless its caller has gone."""
        if not self.sent.done():
            self.sent.set_result(pending)


async def signed_by(signer: Signer, prepared: PreparedTx) -> SignedTx:
    """Return ``prepared`` signed and checked; whatever a foreign signer raises is a SignerError.

    Raises:
        SignerError, PolicyRejectedError: It is not signed.
    """
    try:
        return await sign_checked(signer, prepared)
    except OpenGradientError:
        raise
    except Exception as error:
        # its words are not repeated: a foreign signer may write down what it signs with
        raise SignerError(
            f"the signer failed with {type(error).__name__}",
            hint="Nothing was sent. The signer's own error is this one's cause.",
        ) from error


def is_signed(known: Known) -> bool:
    """Return whether a request's transaction is signed, not on lease once more after a refusal."""
    return bool(known.slot.attempts) and known.slot.state is not SlotState.LEASED


def closed() -> TransactionError:
    """Return the error of what was not signed when the chain was closed."""
    return TransactionError(
        "the chain is closed, so nothing more is signed or sent",
        hint="Nothing happened. Keep the Chain (or the client) open until execute returns.",
    )
