"""What may be signed: the rules that the guard asks before every signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from ..errors import InvalidChallengeError, PolicyRejectedError
from ..profiles import Profile
from ..types import Address, Amount, PreparedTx, TypedData
from .challenge import Offer
from .refusal import refused
from .rules import PaymentRules
from .transaction_rules import check_transaction

_PERMIT2_METHOD: Final = "permit2"


@dataclass(frozen=True, slots=True)
class _Permit:
    """The members of a Permit2 witness transfer that decide where money can go."""

    chain_id: object
    contract: object
    token: object
    amount: object
    spender: object
    recipient: object

    @classmethod
    def read(cls, data: TypedData) -> _Permit:
        permitted, witness = (_object(data.message.get(m)) for m in ("permitted", "witness"))
        return cls(
            chain_id=data.domain.get("chainId"),
            contract=data.domain.get("verifyingContract"),
            token=permitted.get("token"),
            amount=permitted.get("amount"),
            spender=data.message.get("spender"),
            recipient=witness.get("to"),
        )


def _object(value: object) -> Mapping[str, object]:
    return cast(Mapping[str, object], value) if isinstance(value, Mapping) else {}


class PaymentPolicy:
    """Refuses every offer, typed data and transaction that the rules do not allow.

    An offer is checked with the payment address of the node that the pinned connection leads to;
    only the typed data made from a checked offer is let through to the signer, once.
    """

    def __init__(self, profile: Profile, rules: PaymentRules, *, max_approval: int) -> None:
        self._profile = profile
        self._rules = rules
        self._max_approval = rules.max_approval or max_approval
        self._granted: set[bytes] = set()

    @property
    def max_approval(self) -> int:
        """The largest allowance (atoms) that Permit2 is given without an explicit word."""
        return self._max_approval

    def choose(self, offers: Sequence[Offer], payee: Address) -> Offer:
        """Return the first offer that the rules allow.

        Raises:
            PolicyRejectedError: None is allowed; the error is about the first one.
            InvalidChallengeError: There is none.
        """
        if not offers:
            raise InvalidChallengeError(
                "the 402 challenge has no offer", hint="Nothing was signed; use another node."
            )
        refusals: list[PolicyRejectedError] = []
        for offer in offers:
            try:
                self.check(offer, payee)
            except PolicyRejectedError as refusal:
                refusals.append(refusal)
            else:
                return offer
        raise refusals[0]

    def check(self, offer: Offer, payee: Address) -> None:
        """Explain whether ``offer`` may be paid by the node whose payment address is ``payee``.

        Raises:
            PolicyRejectedError: The member that failed, what it asks and what is allowed.
        """
        rules, profile = self._rules, self._profile
        if offer.scheme not in rules.schemes:
            raise refused(
                "scheme",
                offer.scheme,
                " or ".join(rules.schemes),
                f"If it is meant: PaymentRules(schemes={(*rules.schemes, offer.scheme)!r}).",
            )
        if offer.network != profile.payments.caip2:
            raise refused(
                "network",
                offer.network,
                profile.payments.caip2,
                "Choose the network with network= or OG_NETWORK.",
            )
        if not _same(offer.asset, profile.opg):
            raise refused("asset", offer.asset, profile.opg, "Only OPG is ever paid.")
        method = offer.extra.get("assetTransferMethod")
        if method != _PERMIT2_METHOD:
            raise refused(
                "extra.assetTransferMethod",
                method,
                _PERMIT2_METHOD,
                "An EIP-3009 or other direct transfer is never signed here.",
            )
        self._check_amount(offer)
        self._check_recipient(offer, payee)
        lifetime = rules.max_lifetime or profile.max_lifetime
        if not 0 < offer.max_timeout_seconds <= lifetime:
            raise refused(
                "maxTimeoutSeconds",
                offer.max_timeout_seconds,
                f"1 to {lifetime} seconds",
                "If it is meant: PaymentRules(max_lifetime=…).",
            )

    def _check_amount(self, offer: Offer) -> None:
        limit = self._rules.max_authorization or self._profile.max_authorization
        if not 0 < offer.amount <= limit:
            raise refused(
                "amount",
                str(Amount(offer.amount)),
                f"at most {Amount(limit)}",
                f"If it is meant: PaymentRules(max_authorization={offer.amount}).",
            )

    def _check_recipient(self, offer: Offer, payee: Address) -> None:
        allowed = (payee, *self._profile.recipients, *self._rules.recipients)
        if not any(_same(offer.pay_to, address) for address in allowed):
            raise refused(
                "payTo",
                offer.pay_to,
                f"{payee} (the node's registered payment address)",
                f"If it is meant: PaymentRules(recipients=(Address({offer.pay_to!r}),)).",
            )
        facilitator = offer.extra.get("facilitatorAddress")
        known = self._rules.facilitators
        if known and not any(_same(facilitator, address) for address in known):
            raise refused(
                "extra.facilitatorAddress",
                facilitator,
                " or ".join(known),
                "The allow-list of facilitators is PaymentRules(facilitators=…).",
            )

    def grant(self, offer: Offer, payee: Address, data: TypedData) -> None:
        """Let ``data``, made from ``offer``, through to the signer once.

        Raises:
            PolicyRejectedError: The offer is not allowed, or the data says something else.
        """
        self.check(offer, payee)
        profile = self._profile
        wanted = _Permit(
            chain_id=profile.payments.chain_id,
            contract=profile.permit2,
            token=profile.opg,
            amount=offer.amount,
            spender=profile.upto_proxy if offer.scheme == "upto" else profile.exact_proxy,
            recipient=Address(offer.pay_to),
        )
        says = _Permit.read(data)
        if says != wanted:
            raise refused("typed data", says, wanted, "This is a defect; please report it.")
        self._granted.add(data.digest())

    def revoke(self, data: TypedData) -> None:
        """Take back a grant that was not used."""
        self._granted.discard(data.digest())

    async def check_typed_data(self, data: TypedData) -> None:
        """Let granted typed data through, once; refuse everything else.

        Raises:
            PolicyRejectedError: It was not made from an offer that the rules allow.
        """
        digest = data.digest()
        if digest not in self._granted:
            raise refused(
                "typed data",
                f"{data.primary_type} for {data.domain.get('name')}",
                "payments made from a checked offer",
                "Use client.payments.authorize, or sign with the bare signer outside the client.",
            )
        self._granted.discard(digest)

    async def check_transaction(self, tx: PreparedTx) -> None:
        """Refuse transactions that move OPG or touch Permit2, unless that is spelled out.

        An ``approve`` of Permit2 with a bounded amount and fee, and burning nonces, pass; so does
        everything else on chain, but code for an account and calls of oneself (EIP-7702).

        Raises:
            PolicyRejectedError: It could spend, and ``allow_spend`` is not set.
        """
        check_transaction(tx, self._profile, max_approval=self._max_approval)


def _same(text: object, address: Address) -> bool:
    # nodes write addresses in any case; a wrong checksum is still the same account
    return isinstance(text, str) and text.lower() == address.lower()
