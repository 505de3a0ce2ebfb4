"""How much was verified."""

from __future__ import annotations

from ...verification.statistics import VerificationStatistics
from ..work import CallWork


class Verification:
    """``client.verification``: what was checked of this client's answers."""

    def __init__(self, work: CallWork) -> None:
        self._work = work

    def statistics(self) -> VerificationStatistics:
        """Return how much was checked at which level, what failed, and what would have shown.

        Counted since the client was opened, over all of its calls; nothing is asked or sent.

        Example:
            >>> reply = await client.chat.create(model="openai/gpt-5", messages="hi")
            >>> statistics = client.verification.statistics()
            >>> statistics.answers >= 1
            True
            >>> statistics.conclusion(0.01).value  # nobody's attestation was checked
            'inconclusive'
        """
        return self._work.core.verifications.statistics()
