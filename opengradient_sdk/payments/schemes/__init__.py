"""The ways to pay: from an offer to what is signed, and from a signature to the header.

A scheme is found by the family of the offer's network and its name; another one is another entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ...errors import InvalidChallengeError
from ...profiles import Profile
from ...types import Address, TypedData
from ..challenge import Offer, PaymentRequired
from . import exact, upto
from ._terms import Scheme, address_in, integer, is_evm_chain, new_nonce
from .authorization import Authorization, payment_header
from .exact import eip3009_typed_data, exact_permit2_typed_data
from .upto import MISSING_FACILITATOR, upto_typed_data

__all__ = [
    "MISSING_FACILITATOR",
    "Authorization",
    "authorization_for",
    "eip3009_typed_data",
    "exact_permit2_typed_data",
    "integer",
    "is_payable",
    "new_nonce",
    "payable_offers",
    "payment_header",
    "typed_data_for",
    "upto_typed_data",
]

_SCHEMES: Final[Mapping[tuple[str, str], Callable[[Offer], Scheme]]] = {
    ("eip155", "upto"): lambda _offer: upto.UPTO,
    ("eip155", "exact"): exact.variant,
}


def is_payable(offer: Offer) -> bool:
    """Return whether this package knows the offer's scheme on its network."""
    return _find(offer) is not None


def payable_offers(required: PaymentRequired) -> tuple[Offer, ...]:
    """Return the offers whose scheme and network are known, in the node's order.

    Raises:
        InvalidChallengeError: There is none; says what was offered.
    """
    offers = tuple(offer for offer in required.offers if is_payable(offer))
    if not offers:
        offered = ", ".join(f"{offer.scheme} on {offer.network}" for offer in required.offers)
        raise InvalidChallengeError(
            f"none of the node's offers can be paid: {offered or 'it makes none'}",
            hint="upto and exact on EVM chains (eip155:…) are known; nothing was signed",
        )
    return offers


def typed_data_for(
    offer: Offer, *, owner: Address, profile: Profile, now: int, nonce: int | None = None
) -> TypedData:
    """Return what ``owner`` signs to pay ``offer``, valid from a little before ``now`` (seconds).

    **Money**: signed, it is worth up to ``offer.amount`` atoms, once. Nothing here asks whether
    that is allowed: the policy does.

    ``nonce`` is 32 random bytes unless given.

    Raises:
        InvalidChallengeError: The offer cannot be paid, or one of its addresses is none.
    """
    return _scheme(offer).draft(
        offer,
        owner=owner,
        nonce=new_nonce() if nonce is None else nonce,
        now=now,
        profile=profile,
    )


def authorization_for(
    offer: Offer,
    required: PaymentRequired,
    *,
    owner: Address,
    data: TypedData,
    signature: bytes,
    attached: Mapping[str, object] | None = None,
) -> Authorization:
    """Return the authorization made of ``data``, drafted from ``offer``, and its signature.

    ``attached`` replaces announced extensions of the same name.

    **Money**: its header is worth up to ``offer.amount`` atoms from now on.
    """
    scheme = _scheme(offer)
    terms = scheme.terms(data)
    return Authorization(
        owner=owner,
        network=offer.network,
        asset=address_in(offer, "asset", offer.asset),
        max_amount=offer.amount,
        spender=terms.spender,
        recipient=terms.recipient,
        facilitator=terms.facilitator,
        nonce=terms.nonce,
        valid_after=terms.valid_after,
        deadline=terms.deadline,
        typed_data=data,
        signature=signature,
        header=payment_header(
            offer, required, scheme.payload(offer, owner, data, signature), attached
        ),
        scheme=offer.scheme,
        offer=offer,
    )


def _scheme(offer: Offer) -> Scheme:
    scheme = _find(offer)
    if scheme is None:
        raise InvalidChallengeError(
            f"no way is known to pay {offer.scheme} on {offer.network}",
            hint="upto and exact on EVM chains (eip155:…) are known; nothing was signed",
        )
    return scheme


def _find(offer: Offer) -> Scheme | None:
    if not is_evm_chain(offer.network):
        return None
    family = offer.network.partition(":")[0]
    choose = _SCHEMES.get((family, offer.scheme))
    return choose(offer) if choose else None
