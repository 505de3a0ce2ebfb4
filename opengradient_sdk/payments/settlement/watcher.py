"""What the chain says of an authorization: settled, not charged, cancelled, or still open.

Nodes never say when or how much they charged (protocol notes, server sessions), so the chain is
asked, through every endpoint that is configured. A set nonce bit alone proves nothing: ``cancel``
sets it too. SETTLED needs a successful transaction whose decoded ``settle`` arguments carry this
owner and this nonce, and the token's Transfer from payer to recipient for the same amount.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from ..._core.tasks import together
from ...chain.rpc import Rpc
from ...errors import ChainError, ConfigurationError, RpcError
from ...profiles import Profile
from ..state import OpenAuthorization
from ..status import PaymentStatus
from .testimony import Claim, Silent
from .verdict import Hearing
from .witness import Witness

T = TypeVar("T")


class SettlementWatcher:
    """Asks the payments chain about authorizations, through every one of ``rpcs``.

    They are asked at the same time. One ``Rpc`` with several URLs is one endpoint here: its URLs
    stand in for each other and are not compared.

    **Trust**: what all that answer say in agreement. A lying one beside an honest one can keep a
    payment open or unknown, and no more. SETTLED and CANCELLED need the word of those that answer,
    FINAL and NOT_CHARGED that of every one that is configured.

    Raises:
        ConfigurationError: No endpoint.
    """

    def __init__(self, rpcs: Rpc | Sequence[Rpc], profile: Profile) -> None:
        several = (rpcs,) if isinstance(rpcs, Rpc) else tuple(rpcs)
        if not several:
            raise ConfigurationError(
                "no RPC endpoint is configured that could be asked about payments",
                hint="Set OG_RPC_URL, or pass the URL of an endpoint of the payments chain.",
            )
        self._witnesses: Final = tuple(Witness(rpc, profile) for rpc in several)
        self._chain_id: Final = profile.payments.chain_id

    @staticmethod
    def claim_of(life: OpenAuthorization) -> Claim:
        """Return what the chain is asked about an authorization of this client."""
        signed = life.authorization
        return Claim(
            owner=signed.owner,
            nonce=signed.nonce,
            recipient=signed.recipient,
            deadline=signed.deadline,
            spender=signed.spender,
            from_block=life.from_block,
        )

    async def status(self, claim: Claim) -> PaymentStatus:
        """Return the chain's word on ``claim``; what cannot be told is UNKNOWN, never guessed.

        An endpoint that cannot be asked is named in the reason. While it is away nothing becomes
        FINAL or NOT_CHARGED; a settlement that all others see counts as SETTLED.

        Raises:
            ChainError: No endpoint could be asked.
        """
        views, silent = _heard(await together(*(one.testify(claim) for one in self._witnesses)))
        hearing = Hearing(claim, self._chain_id, views, silent)
        if hearing.is_used:
            return hearing.ended()
        if still_open := hearing.unproven():
            return still_open
        block = hearing.proof_block()
        asked = [one.confirm(claim, block) for one in self._witnesses]
        confirmations, lost = _heard(await together(*asked))
        return Hearing(claim, self._chain_id, views, lost).proven(confirmations)


def _heard(words: Iterable[T | Silent]) -> tuple[tuple[T, ...], tuple[Silent, ...]]:
    """Return what was said, and who said nothing.

    Raises:
        ChainError: Nobody said anything.
    """
    said: list[T] = []
    silent: list[Silent] = []
    for word in words:
        if isinstance(word, Silent):
            silent.append(word)
        else:
            said.append(word)
    if not said:
        raise _nobody([one.error for one in silent])
    return tuple(said), tuple(silent)


def _nobody(errors: Sequence[ChainError]) -> ChainError:
    if len(errors) == 1:
        return errors[0]
    found = RpcError(
        f"no payments RPC could be asked: {'; '.join(error.short_message for error in errors)}",
        hint=errors[0].hint,
    )
    found.__cause__ = errors[0]
    return found
