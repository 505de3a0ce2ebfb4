"""Whether a block that shows a claim can still be taken back: how final is what was seen?

A block that every endpoint shows may be gone in a minute. What is not final yet is pending: it
refuses nothing and proves nothing for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...chain.rpc import Rpc
from ...errors import ChainError
from ...verification import Check, CheckStatus


class Reach(NamedTuple):
    """An endpoint that shows a claim in ``block``, and up to which block it calls its chain final.

    ``final`` is ``None`` where it could not say.
    """

    endpoint: str
    block: int
    final: int | None

    @property
    def is_final(self) -> bool:
        """Whether the block is final by this endpoint's word."""
        return self.final is not None and self.block <= self.final


async def final_number(rpc: Rpc) -> int | None:
    """Return the number of the newest final block, or ``None`` where an endpoint cannot say.

    Asked *before* a claim is looked up, so that a block which was final then is the one that was
    compared, and no other that has taken its place.
    """
    try:
        return (await rpc.get_block("finalized")).number
    except ChainError:
        return None


def finality(name: str, heard: Sequence[Reach]) -> Check:
    """Return the check ``<name>_final`` of a claim, by the word of those who show it.

    Passed, if every endpoint that can say calls the block final; pending as long as one does not.
    """
    able = [reach for reach in heard if reach.final is not None]
    source = ", ".join(reach.endpoint for reach in able) or "the chain"
    name = f"{name}_final"
    if not able:
        reason = "no endpoint could say which block is final"
        return Check(name, CheckStatus.NOT_CHECKED, reason, source)
    slowest = min(able, key=lambda reach: (reach.final or 0) - reach.block)
    if slowest.is_final:
        reason = f"block {slowest.block} is final, as is every one up to {slowest.final}"
        return Check(name, CheckStatus.PASSED, reason, source)
    reason = (
        f"block {slowest.block} is not final yet, {slowest.final} is, by {slowest.endpoint}: "
        "a reorg could still take it back; ask again later"
    )
    return Check(name, CheckStatus.PENDING, reason, source)
