"""What may be signed: the rules that the guard asks before every signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from ..errors import InvalidChallengeError, PolicyRejectedError
from ..profiles import Profile
from ..types import Address, Amount, PreparedTx, TypedData
from .challenge import Offer
from .rules import PaymentRules

_APPROVE: Final = bytes.fromhex("095ea7b3")
_INVALIDATE_NONCES: Final = bytes.fromhex("3ff9dcb1")
_MAX_APPROVAL_FEE: Final = 10**15
"""Wei. Approvals are signed without being asked for, at the fee that an RPC endpoint names."""
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
            raise _refused(
                "scheme",
                offer.scheme,
                " or ".join(rules.schemes),
                f"If it is meant: PaymentRules(schemes={(*rules.schemes, offer.scheme)!r}).",
            )
        if offer.network != profile.payments.caip2:
            raise _refused(
                "network",
                offer.network,
                profile.payments.caip2,
                "Choose the network with network= or OG_NETWORK.",
            )
        if not _same(offer.asset, profile.opg):
            raise _refused("asset", offer.asset, profile.opg, "Only OPG is ever paid.")
        method = offer.extra.get("assetTransferMethod")
        if method != _PERMIT2_METHOD:
            raise _refused(
                "extra.assetTransferMethod",
                method,
                _PERMIT2_METHOD,
                "An EIP-3009 or other direct transfer is never signed here.",
            )
        self._check_amount(offer)
        self._check_recipient(offer, payee)
        lifetime = rules.max_lifetime or profile.max_lifetime
        if not 0 < offer.max_timeout_seconds <= lifetime:
            raise _refused(
                "maxTimeoutSeconds",
                offer.max_timeout_seconds,
                f"1 to {lifetime} seconds",
                "If it is meant: PaymentRules(max_lifetime=…).",
            )

    def _check_amount(self, offer: Offer) -> None:
        limit = self._rules.max_authorization or self._profile.max_authorization
        if not 0 < offer.amount <= limit:
            raise _refused(
                "amount",
                str(Amount(offer.amount)),
                f"at most {Amount(limit)}",
                f"If it is meant: PaymentRules(max_authorization={offer.amount}).",
            )

    def _check_recipient(self, offer: Offer, payee: Address) -> None:
        allowed = (payee, *self._profile.recipients, *self._rules.recipients)
        if not any(_same(offer.pay_to, address) for address in allowed):
            raise _refused(
                "payTo",
                offer.pay_to,
                f"{payee} (the node's registered payment address)",
                f"If it is meant: PaymentRules(recipients=(Address({offer.pay_to!r}),)).",
            )
        facilitator = offer.extra.get("facilitatorAddress")
        known = self._rules.facilitators
        if known and not any(_same(facilitator, address) for address in known):
            raise _refused(
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
            raise _refused("typed data", says, wanted, "This is a defect; please report it.")
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
            raise _refused(
                "typed data",
                f"{data.primary_type} for {data.domain.get('name')}",
                "payments made from a checked offer",
                "Use client.payments.authorize, or sign with the bare signer outside the client.",
            )
        self._granted.discard(digest)

    async def check_transaction(self, tx: PreparedTx) -> None:
        """Refuse transactions that move OPG or touch Permit2, unless that is spelled out.

        An ``approve`` of Permit2 with a bounded amount and fee, and burning nonces, pass; so does
        everything else on chain.

        Raises:
            PolicyRejectedError: It would spend, and ``allow_spend`` is not set.
        """
        profile = self._profile
        if tx.allow_spend or tx.chain_id != profile.payments.chain_id:
            return
        selector = tx.data[:4]
        if tx.to == profile.permit2 and selector == _INVALIDATE_NONCES:
            return
        if tx.to == profile.opg and selector == _APPROVE and len(tx.data) == 68:
            self._check_approval(tx)
            return
        if tx.to in (profile.opg, profile.permit2, profile.upto_proxy, profile.exact_proxy):
            raise _refused(
                "transaction",
                f"0x{selector.hex()} to {tx.to}",
                "bounded approvals of Permit2, and burning nonces",
                "If moving OPG by hand is meant: TxRequest(…, allow_spend=True).",
            )

    def _check_approval(self, tx: PreparedTx) -> None:
        spender = Address.from_bytes(tx.data[16:36])
        amount = int.from_bytes(tx.data[36:68], "big")
        if spender != self._profile.permit2:
            raise _refused(
                "spender", spender, self._profile.permit2, "Or TxRequest(…, allow_spend=True)."
            )
        if amount > self._max_approval:
            raise _refused(
                "amount",
                str(Amount(amount)),
                f"at most {Amount(self._max_approval)}",
                "If it is meant: PaymentRules(max_approval=…).",
            )
        fee = tx.gas * tx.max_fee_per_gas + tx.l1_fee
        if fee > _MAX_APPROVAL_FEE:
            raise _refused(
                "fee",
                f"{fee} wei",
                f"at most {_MAX_APPROVAL_FEE} wei",
                "Fees are unusually high, or the RPC endpoint lies about them; try later.",
            )


def _same(text: object, address: Address) -> bool:
    # nodes write addresses in any case; a wrong checksum is still the same account
    return isinstance(text, str) and text.lower() == address.lower()


def _refused(field: str, asked: object, allowed: object, hint: str) -> PolicyRejectedError:
    return PolicyRejectedError(
        f"refused to sign: {field} is {asked}, allowed is {allowed}",
        field=field,
        asked=asked,
        allowed=allowed,
        hint=hint,
    )
