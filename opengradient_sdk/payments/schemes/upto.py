"""Scheme ``upto``: a signed cap, of which the named facilitator may collect what was used."""

from __future__ import annotations

from typing import Final

from ...errors import InvalidChallengeError
from ...profiles import Profile
from ...types import Address, Fields, TypedData
from ..challenge import Offer
from . import _permit2
from ._terms import Scheme, address_in, chain_id_of

MISSING_FACILITATOR: Final = "invalid_upto_evm_client_missing_facilitator_address"

_WITNESS: Final[Fields] = (("to", "address"), ("facilitator", "address"), ("validAfter", "uint256"))
_TYPES: Final = _permit2.types_with(_WITNESS)


def upto_typed_data(
    offer: Offer,
    *,
    owner: Address,
    chain_id: int,
    nonce: int,
    now: int,
    permit2: Address,
    upto_proxy: Address,
) -> TypedData:
    """Return what ``owner`` signs to let the offer's facilitator collect up to ``offer.amount``.

    **Money**: signed, it is worth up to ``offer.amount`` atoms, once, until its deadline.

    ``now`` is in seconds since the epoch. ``owner`` is not part of the signed message: Permit2
    takes it from the signature. Source: the protocol notes, section 2.4; Permit2
    ``permitWitnessTransferFrom``.

    Raises:
        InvalidChallengeError: The offer names no facilitator, or something that is no address.
    """
    facilitator = offer.extra.get("facilitatorAddress")
    if not facilitator:
        raise InvalidChallengeError(
            f"{MISSING_FACILITATOR}: the upto offer has no extra.facilitatorAddress",
            hint="without it anybody could collect; nothing was signed",
        )
    return _permit2.transfer(
        offer,
        _TYPES,
        chain_id=chain_id,
        permit2=permit2,
        spender=upto_proxy,
        nonce=nonce,
        now=now,
        witness={
            "to": address_in(offer, "payTo", offer.pay_to),
            "facilitator": address_in(offer, "extra.facilitatorAddress", facilitator),
        },
    )


def _draft(offer: Offer, *, owner: Address, nonce: int, now: int, profile: Profile) -> TypedData:
    return upto_typed_data(
        offer,
        owner=owner,
        chain_id=chain_id_of(offer.network),
        nonce=nonce,
        now=now,
        permit2=profile.permit2,
        upto_proxy=profile.upto_proxy,
    )


UPTO: Final = Scheme(draft=_draft, terms=_permit2.terms_of, payload=_permit2.payload_of)
