"""What may be signed, explained without signing."""

from __future__ import annotations

from ...payments.offer_rules import OfferVerdict
from ..work import CallWork
from .payments import Challenge


class Policy:
    """``client.policy``: the rules that the guard around the signer asks."""

    def __init__(self, work: CallWork) -> None:
        self._work = work

    def check(self, challenge: Challenge) -> tuple[OfferVerdict, ...]:
        """Return for each offer of a challenge whether it would be signed, and all against it.

        **Money**: free; nothing is signed, reported or remembered.

        Example:
            >>> request = {"model": "openai/gpt-5", "messages": "hi"}
            >>> challenge = await client.payments.challenge(None, request)
            >>> [verdict.allowed for verdict in client.policy.check(challenge)]
            [True]
        """
        payee = challenge.node.payment_address
        return self._work.core.policy.explain(challenge.offers, payee)
