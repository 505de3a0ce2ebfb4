"""How much was verified."""

from __future__ import annotations

from dataclasses import replace

from ...verification.statistics import VerificationStatistics
from ..work import CallWork


class Verification:
    """``client.verification``: what was checked of this client's answers."""

    def __init__(self, work: CallWork) -> None:
        self._core = work.core

    def statistics(self) -> VerificationStatistics:
        """Return how much was checked at which level, what failed, and what would have shown.

        Counted since the client was opened, over all of its calls; nothing is asked or sent. With a
        policy that has ``Settled``, ``settlement`` counts the promises of the last day that are in
        the store, too.

        Example:
            >>> reply = await client.chat.create(model="openai/gpt-5", messages="hi")
            >>> statistics = client.verification.statistics()
            >>> statistics.answers >= 1
            True
            >>> statistics.conclusion(0.01).value  # nobody's attestation was checked
            'inconclusive'
        """
        core = self._core
        statistics = core.verifications.statistics()
        if core.config.require.may_follow:
            return replace(statistics, settlement=core.following.statistics())
        return statistics

    async def refresh(self) -> VerificationStatistics:
        """Look now for the settlements that are followed, and return the statistics then.

        The background does the same every few blocks; this is for those who do not want to wait.

        **Money**: free. **Trust**: found on the relay's chain; nothing is asked of a node.

        Raises:
            ChainError: The chain could not be asked.
            LedgerError: The store could not be read.

        Example:
            >>> statistics = await client.verification.refresh()
            >>> statistics.settlement.followed  # without Settled() in the policy
            0
        """
        if self._core.config.require.may_follow:
            await self._core.following.look()
        return self.statistics()
