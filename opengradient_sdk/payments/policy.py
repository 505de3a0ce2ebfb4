"""What may be signed: the rules that the guard asks before every signature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .._core.clock import Clock
from ..errors import InvalidChallengeError
from ..profiles import Profile
from ..types import Address, Bytes32, PreparedTx, TypedData
from .challenge import Offer
from .offer_rules import OfferVerdict, malformations_of, refusals_of
from .refusal import Refusal
from .rules import PaymentRules
from .transaction_rules import transaction_refusal
from .typed_data_rules import payment_refusals, stranger_refusal, ungranted_payment


@dataclass(frozen=True, slots=True)
class FacilitatorChanged:
    """A node names another facilitator than it did before: only ``new`` can collect from now on.

    The recipient is part of what is signed, so a strange facilitator can only pay the right one.
    """

    payee: Address
    tee_id: Bytes32 | None
    old: Address
    new: Address


OnRefusal: TypeAlias = Callable[[Refusal, Bytes32 | None], None]
"""Told of everything that is refused, once, with the node that asked where one is known."""
OnFacilitator: TypeAlias = Callable[[FacilitatorChanged], None]


class PaymentPolicy:
    """Refuses every offer, typed data and transaction that the rules do not allow.

    An offer is checked with the payment address of the node that the pinned connection leads to;
    only the typed data made from a checked offer is let through to the signer, once.

    ``clock`` is the one that payments are drafted with, the profile's where it is not given.
    ``on_refusal`` and ``on_facilitator`` are called before anything is signed, and must not block.
    """

    def __init__(
        self,
        profile: Profile,
        rules: PaymentRules,
        *,
        max_approval: int,
        clock: Clock | None = None,
        on_refusal: OnRefusal | None = None,
        on_facilitator: OnFacilitator | None = None,
    ) -> None:
        self._profile = profile
        self._rules = rules
        self._max_approval = rules.max_approval or max_approval
        self._clock = clock or profile.clock
        self._on_refusal = on_refusal
        self._on_facilitator = on_facilitator
        self._granted: set[bytes] = set()
        self._facilitators: dict[Bytes32 | Address, Address] = {}

    @property
    def max_approval(self) -> int:
        """The largest allowance (atoms) that Permit2 is given without an explicit word."""
        return self._max_approval

    def explain(self, offers: Sequence[Offer], payee: Address) -> tuple[OfferVerdict, ...]:
        """Return for each offer whether a node paid at ``payee`` may have it, and all against it.

        Where ``check`` names the first objection, this names every one, and the addresses that are
        none as well.

        **Money**: free; nothing is signed, reported or remembered.
        """
        return tuple(OfferVerdict(offer, self._objections(offer, payee)) for offer in offers)

    def choose(
        self, offers: Sequence[Offer], payee: Address, *, tee_id: Bytes32 | None = None
    ) -> Offer:
        """Return the first offer that the rules allow.

        Raises:
            PolicyRejectedError: None is allowed; the error is about the first one.
            InvalidChallengeError: There is none.
        """
        if not offers:
            raise InvalidChallengeError(
                "the 402 challenge has no offer", hint="Nothing was signed; use another node."
            )
        refusals: list[Refusal] = []
        for offer in offers:
            refusal = self._first_objection(offer, payee)
            if refusal is None:
                return offer
            self._report(refusal, tee_id)
            refusals.append(refusal)
        raise refusals[0].error()

    def check(self, offer: Offer, payee: Address, *, tee_id: Bytes32 | None = None) -> None:
        """Explain whether ``offer`` may be paid by the node whose payment address is ``payee``.

        Raises:
            PolicyRejectedError: The member that failed, what it asks and what is allowed.
        """
        self._enforce(self._first_objection(offer, payee), tee_id)

    def grant(
        self, offer: Offer, payee: Address, data: TypedData, *, tee_id: Bytes32 | None = None
    ) -> None:
        """Let ``data``, made from ``offer``, through to the signer once.

        Raises:
            PolicyRejectedError: The offer is not allowed, or the data says something else.
        """
        self.check(offer, payee, tee_id=tee_id)
        self._enforce(next(malformations_of(offer), None), tee_id)
        differences = payment_refusals(data, offer, self._profile, now=self._clock.now())
        self._enforce(next(differences, None), tee_id)
        if offer.scheme == "upto":
            self._notice(payee, tee_id, Address(str(offer.extra.get("facilitatorAddress"))))
        self._granted.add(data.digest())

    def revoke(self, data: TypedData) -> None:
        """Take back a grant that was not used."""
        self._granted.discard(data.digest())

    async def check_typed_data(self, data: TypedData) -> None:
        """Let granted typed data through, once; refuse everything else.

        Raises:
            PolicyRejectedError: It is no payment that the rules allow, and what it is instead; or
                it is one, and was not made from a checked offer.
        """
        now = self._clock.now()
        self._enforce(stranger_refusal(data, self._profile, self._rules, now=now), None)
        digest = data.digest()  # cannot fail: it has the shape of a payment
        if digest not in self._granted:
            self._enforce(ungranted_payment(data), None)
        self._granted.discard(digest)

    async def check_transaction(self, tx: PreparedTx) -> None:
        """Refuse transactions that move OPG or touch Permit2, unless that is spelled out.

        An ``approve`` of Permit2 with a bounded amount, gas and fee, and burning nonces, pass; so
        does everything else on chain, but code for an account and calls of oneself (EIP-7702).

        Raises:
            PolicyRejectedError: It could spend, and ``allow_spend`` is not set.
        """
        self._enforce(transaction_refusal(tx, self._profile, max_approval=self._max_approval), None)

    def _first_objection(self, offer: Offer, payee: Address) -> Refusal | None:
        return next(refusals_of(offer, payee, self._profile, self._rules), None)

    def _objections(self, offer: Offer, payee: Address) -> tuple[Refusal, ...]:
        by_rules = tuple(refusals_of(offer, payee, self._profile, self._rules))
        named = {refusal.field for refusal in by_rules}
        by_form = tuple(one for one in malformations_of(offer) if one.field not in named)
        return by_rules + by_form

    def _enforce(self, refusal: Refusal | None, tee_id: Bytes32 | None) -> None:
        if refusal is not None:
            self._report(refusal, tee_id)
            raise refusal.error()

    def _report(self, refusal: Refusal, tee_id: Bytes32 | None) -> None:
        if self._on_refusal is not None:
            self._on_refusal(refusal, tee_id)

    def _notice(self, payee: Address, tee_id: Bytes32 | None, facilitator: Address) -> None:
        # several nodes may be paid at one address; each has a facilitator of its own
        node = tee_id or payee
        old = self._facilitators.get(node, facilitator)
        self._facilitators[node] = facilitator
        if old != facilitator and self._on_facilitator is not None:
            self._on_facilitator(FacilitatorChanged(payee, tee_id, old, facilitator))
