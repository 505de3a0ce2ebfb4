"""What several endpoints together say about an authorization: pure comparison, nothing is asked.

No single endpoint can make a payment settled, final or not charged against the others' word: what
they do not agree on is UNKNOWN or still OPEN, and the reason names who says what.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...chain.blocks import Block
from ...types import Amount
from ..status import NotChargedProof, PaymentState, PaymentStatus
from .testimony import Claim, Confirmation, Ending, Silent, View


@dataclass(frozen=True, slots=True)
class Hearing:
    """The words of every configured endpoint on one claim.

    ``views`` are of those that answered, at least one; ``silent`` are the others.
    """

    claim: Claim
    chain_id: int
    views: tuple[View, ...]
    silent: tuple[Silent, ...] = ()

    @property
    def is_used(self) -> bool:
        """Whether any endpoint sees the nonce used."""
        return any(view.used for view in self.views)

    def ended(self) -> PaymentStatus:
        """Return what became of a nonce that is used, as far as the endpoints agree on it."""
        endings = {view.ending for view in self.views if view.ending is not None}
        if not endings:
            return self._without_ending()
        ending = min(endings, key=lambda one: one.block_number)
        missing = [view for view in self.views if view.ending is None]
        denied = any(view.latest.number >= ending.block_number for view in missing)
        if len(endings) > 1 or denied or not ending.is_in_the_chain:
            return self._contradiction(self.views)
        if missing:
            return self._behind(ending, missing)
        return self._agreed(ending)

    def unproven(self) -> PaymentStatus | None:
        """Return why an unused nonce is still open; ``None`` where a proof is worth asking for."""
        head = min((view.latest for view in self.views), key=_height)
        if head.timestamp <= self.claim.deadline:
            return self._open(
                f"not settled at block {head.number}; "
                f"the permit is good until {self.claim.deadline}",
                head,
            )
        ended = "not settled and the permit has expired, but"
        if without := [view.name for view in self.views if view.finalized is None]:
            return self._open(f"{ended} {_listed(without)} names no finalized block", head)
        finalized = self.proof_block()
        if finalized.timestamp <= self.claim.deadline:
            return self._open(
                f"{ended} not yet in a finalized block (they end at {finalized.number})", head
            )
        if self.silent:
            return self._open(f"{ended} {_listed(self.silent)}: there is no proof without it", head)
        return None

    def proof_block(self) -> Block:
        """Return the finalized block of the endpoint that is furthest behind.

        Each endpoint calls it finalized, or a later one.
        """
        finalized = [view.finalized for view in self.views if view.finalized is not None]
        return min(finalized, key=_height)

    def proven(self, confirmations: Sequence[Confirmation]) -> PaymentStatus:
        """Return NOT_CHARGED if every endpoint confirms ``proof_block`` and the nonce there."""
        block, bit = self.proof_block(), self.claim.bit
        bitmaps = {one.bitmap for one in confirmations if one.bitmap is not None}
        if len(bitmaps) > 1 or any(one.contradicts(block, bit) for one in confirmations):
            return self._contradiction(confirmations)
        unable = [*self.silent, *(one for one in confirmations if not one.is_complete)]
        if unable:
            return self._open(
                f"not settled and the permit has expired, but there is no proof: {_listed(unable)}",
                block,
            )
        proof = NotChargedProof(
            self.chain_id,
            block.number,
            block.hash,
            block.timestamp,
            self.claim.deadline,
            bitmaps.pop(),
            self._names,
        )
        return PaymentStatus(
            PaymentState.NOT_CHARGED,
            f"the nonce is unused at finalized block {block.number}, after the deadline",
            amount=Amount(0),
            chain_id=self.chain_id,
            block_number=block.number,
            block_hash=block.hash,
            proof=proof,
            rpcs=self._names,
            final=True,
        )

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(view.name for view in self.views)

    def _agreed(self, ending: Ending) -> PaymentStatus:
        number = ending.block_number
        final = not self.silent and all(view.is_final(number) for view in self.views)
        return PaymentStatus(
            _state(ending, final=final),
            self._agreed_reason(ending, final=final),
            amount=Amount(ending.amount),
            transaction=ending.transaction,
            chain_id=self.chain_id,
            block_number=number,
            block_hash=ending.block_hash,
            rpcs=self._names,
            final=final,
        )

    def _agreed_reason(self, ending: Ending, *, final: bool) -> str:
        where = f"{'finalized block' if final else 'block'} {ending.block_number}"
        unheard = f"; {_listed(self.silent)}" if self.silent else ""
        if ending.state is PaymentState.SETTLED:
            return f"{Amount(ending.amount)} to {self.claim.recipient} in {where}{unheard}"
        fragile = "" if final else "; not final yet: a reorg could take that back"
        return f"the nonce was burnt by its owner in {where}{fragile}{unheard}"

    def _behind(self, ending: Ending, missing: Sequence[View]) -> PaymentStatus:
        heads = [f"{view.name} is only at block {view.latest.number}" for view in missing]
        head = min((view.latest for view in missing), key=_height)
        return self._open(f"{ending}, but {_listed(heads)}", head)

    def _without_ending(self) -> PaymentStatus:
        if not all(view.used for view in self.views):
            return self._contradiction(self.views)
        unheard = f"; {_listed(self.silent)}" if self.silent else ""
        return PaymentStatus(
            PaymentState.UNKNOWN,
            f"the nonce is used, but neither a settlement nor a cancellation was found{unheard}",
            chain_id=self.chain_id,
            block_number=self._lowest_head,
            rpcs=self._names,
        )

    def _contradiction(self, words: Iterable[View | Confirmation]) -> PaymentStatus:
        told = tuple(str(word) for word in words)
        who = "the RPC endpoints contradict each other" if len(told) > 1 else _ALONE
        return PaymentStatus(
            PaymentState.UNKNOWN,
            f"{who}: {'; '.join(told)}",
            chain_id=self.chain_id,
            block_number=self._lowest_head,
            rpcs=self._names,
            disagreeing=told,
        )

    def _open(self, reason: str, block: Block) -> PaymentStatus:
        return PaymentStatus(
            PaymentState.OPEN,
            reason,
            chain_id=self.chain_id,
            block_number=block.number,
            rpcs=self._names,
        )

    @property
    def _lowest_head(self) -> int:
        return min(view.latest.number for view in self.views)


_ALONE = "the chain contradicts itself"


def _state(ending: Ending, *, final: bool) -> PaymentState:
    if ending.state is PaymentState.SETTLED and final:
        return PaymentState.FINAL
    return ending.state


def _height(block: Block) -> int:
    return block.number


def _listed(words: Iterable[object]) -> str:
    return ", ".join(map(str, words))
