"""Which offers may be paid: every member of an offer against the profile and the owner's rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..profiles import Profile
from ..types import Address, Amount
from .challenge import Offer
from .refusal import Refusal, shown
from .rules import SCHEMES, PaymentRules

_PERMIT2_METHOD: Final = "permit2"


@dataclass(frozen=True, slots=True)
class OfferVerdict:
    """Whether an offer may be paid, and everything that speaks against it.

    **Money**: a verdict signs nothing; an allowed offer is still held to budget and balance.
    """

    offer: Offer
    refusals: tuple[Refusal, ...]

    @property
    def allowed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.refusals

    def __str__(self) -> str:
        offer = self.offer
        what = f"{shown(offer.scheme)} on {shown(offer.network)} to {shown(offer.pay_to)}"
        if self.allowed:
            return f"{what}: allowed"
        return f"{what}: refused, because " + "; ".join(str(refusal) for refusal in self.refusals)


def refusals_of(
    offer: Offer, payee: Address, profile: Profile, rules: PaymentRules
) -> Iterator[Refusal]:
    """Yield everything in ``offer`` that the rules do not allow.

    ``payee`` is the registered payment address of the node that the pinned connection leads to.
    """
    yield from _way_to_pay(offer, profile, rules)
    yield from _amount(offer, profile, rules)
    yield from _recipient(offer, payee, profile, rules)
    yield from _facilitator(offer, rules)
    yield from _lifetime(offer, rules.lifetime_on(profile))


def malformations_of(offer: Offer) -> Iterator[Refusal]:
    """Yield the members of ``offer`` that should be addresses and are none.

    The rules compare accounts without regard to case. A signature needs them exactly, so an offer
    that the rules allow may still be one that cannot be signed.
    """
    members: dict[str, object] = {"asset": offer.asset, "payTo": offer.pay_to}
    if offer.scheme == "upto":
        members["extra.facilitatorAddress"] = offer.extra.get("facilitatorAddress")
    for name, value in members.items():
        if not is_address(value):
            yield Refusal(
                name,
                value,
                "an address (0x and 40 hex digits, EIP-55)",
                "The node is faulty; use another one.",
            )


def same_account(text: object, address: Address) -> bool:
    """Return whether ``text`` spells ``address``, in any case.

    Nodes write addresses in any case; a wrong checksum is still the same account.
    """
    return isinstance(text, str) and text.lower() == address.lower()


def is_address(value: object) -> bool:
    """Return whether ``value`` is the text of an address whose checksum, if it has one, holds."""
    if not isinstance(value, str):
        return False
    try:
        Address(value)
    except ValueError:
        return False
    return True


def _way_to_pay(offer: Offer, profile: Profile, rules: PaymentRules) -> Iterator[Refusal]:
    if offer.scheme not in rules.schemes:
        yield Refusal(
            "scheme",
            offer.scheme,
            " or ".join(rules.schemes),
            f"If it is meant: PaymentRules(schemes={(*rules.schemes, offer.scheme)!r})."
            if offer.scheme in SCHEMES
            else "This client knows no other way to pay.",
        )
    if offer.network != profile.payments.caip2:
        yield Refusal(
            "network",
            offer.network,
            profile.payments.caip2,
            "Choose the network with network= or OG_NETWORK.",
        )
    if not same_account(offer.asset, profile.opg):
        yield Refusal("asset", offer.asset, profile.opg, "Only OPG is ever paid.")
    method = offer.extra.get("assetTransferMethod")
    if method != _PERMIT2_METHOD:
        yield Refusal(
            "extra.assetTransferMethod",
            method,
            _PERMIT2_METHOD,
            "An EIP-3009 or other direct transfer is never signed here.",
        )


def _amount(offer: Offer, profile: Profile, rules: PaymentRules) -> Iterator[Refusal]:
    limit = rules.cap_on(profile)
    if type(offer.amount) is int and 0 < offer.amount <= limit:
        return
    yield Refusal(
        "amount",
        _priced(offer, profile),
        f"at most {Amount(limit)}",
        f"If it is meant: PaymentRules(max_authorization={shown(offer.amount)}).",
    )


def _priced(offer: Offer, profile: Profile) -> str:
    known = type(offer.amount) is int and offer.amount.bit_length() <= 256
    if known and same_account(offer.asset, profile.opg):
        return str(Amount(offer.amount))
    return f"{shown(offer.amount)} atoms of {shown(offer.asset)}"


def _recipient(
    offer: Offer, payee: Address, profile: Profile, rules: PaymentRules
) -> Iterator[Refusal]:
    allowed = (payee, *profile.recipients, *rules.recipients)
    if not any(same_account(offer.pay_to, address) for address in allowed):
        yield Refusal(
            "payTo",
            offer.pay_to,
            f"{payee} (the node's registered payment address)",
            f"If it is meant: PaymentRules(recipients=(Address({shown(offer.pay_to)!r}),)).",
        )


def _facilitator(offer: Offer, rules: PaymentRules) -> Iterator[Refusal]:
    facilitator = offer.extra.get("facilitatorAddress")
    known = rules.facilitators
    if known and not any(same_account(facilitator, address) for address in known):
        yield Refusal(
            "extra.facilitatorAddress",
            facilitator,
            " or ".join(known),
            "The allow-list of facilitators is PaymentRules(facilitators=…).",
        )


def _lifetime(offer: Offer, lifetime: int) -> Iterator[Refusal]:
    # zero is refused, too: the schemes read it as an hour
    seconds = offer.max_timeout_seconds
    if type(seconds) is not int or not 0 < seconds <= lifetime:
        yield Refusal(
            "maxTimeoutSeconds",
            seconds,
            f"1 to {lifetime} seconds",
            "If it is meant: PaymentRules(max_lifetime=…).",
        )
