"""Scheme ``exact``: the whole price, by Permit2 or by the token's own EIP-3009.

The networks of this package never ask for it; the policy refuses it unless its owner allows it.
"""

from __future__ import annotations

from typing import Final

from ...errors import InvalidChallengeError
from ...profiles import Profile
from ...types import Address, Fields, TypedData, bytes_to_hex
from ..challenge import Offer
from . import _permit2
from ._terms import Scheme, Terms, address_in, chain_id_of, integer, window

_WITNESS: Final[Fields] = (("to", "address"), ("validAfter", "uint256"))
_TYPES: Final = _permit2.types_with(_WITNESS)

TOKEN_DOMAIN: Final[Fields] = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
_TRANSFER: Final[Fields] = (
    ("from", "address"),
    ("to", "address"),
    ("value", "uint256"),
    ("validAfter", "uint256"),
    ("validBefore", "uint256"),
    ("nonce", "bytes32"),
)
_PRIMARY: Final = "TransferWithAuthorization"

# Tokens whose EIP-712 name is known where an offer leaves it out: (chain id, token).
_KNOWN_TOKENS: Final = {
    (8453, Address("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913")): ("USD Coin", "2"),
    (84532, Address("0x036CbD53842c5426634e7929541eC2318f3dCF7e")): ("USDC", "2"),
}


def exact_permit2_typed_data(
    offer: Offer,
    *,
    owner: Address,
    chain_id: int,
    nonce: int,
    now: int,
    permit2: Address,
    exact_proxy: Address,
) -> TypedData:
    """Return what ``owner`` signs to pay exactly ``offer.amount`` through Permit2.

    **Money**: signed, anybody can make it pay the whole amount, once, until its deadline.

    ``now`` is in seconds since the epoch; ``owner`` is not part of the signed message. Source: the
    protocol notes, section 2.5.

    Raises:
        InvalidChallengeError: The offer's recipient or asset is no address.
    """
    return _permit2.transfer(
        offer,
        _TYPES,
        chain_id=chain_id,
        permit2=permit2,
        spender=exact_proxy,
        nonce=nonce,
        now=now,
        witness={"to": address_in(offer, "payTo", offer.pay_to)},
    )


def eip3009_typed_data(
    offer: Offer, *, owner: Address, chain_id: int, nonce: int, now: int
) -> TypedData:
    """Return what ``owner`` signs to pay exactly ``offer.amount`` by EIP-3009.

    **Money**: signed, anybody can make it pay the whole amount, once, until its deadline; no
    allowance bounds it.

    ``now`` is in seconds since the epoch. Source: EIP-3009; the protocol notes, section 2.5.

    Raises:
        InvalidChallengeError: The token's EIP-712 name is neither in the offer nor known, or the
            recipient or asset is no address.
    """
    valid_after, deadline = window(offer, now)
    return TypedData(
        domain_type=TOKEN_DOMAIN,
        domain=token_domain(offer, chain_id),
        types=((_PRIMARY, _TRANSFER),),
        primary_type=_PRIMARY,
        message={
            "from": owner,
            "to": address_in(offer, "payTo", offer.pay_to),
            "value": offer.amount,
            "validAfter": valid_after,
            "validBefore": deadline,
            "nonce": nonce.to_bytes(32, "big"),
        },
    )


def token_domain(offer: Offer, chain_id: int) -> dict[str, object]:
    """Return the EIP-712 domain of the offer's token: its name and version, chain and address.

    Raises:
        InvalidChallengeError: The name is neither in the offer nor known.
    """
    asset = address_in(offer, "asset", offer.asset)
    known = _KNOWN_TOKENS.get((chain_id, asset), ("", "1"))
    name = offer.extra.get("name") or known[0]
    version = offer.extra.get("version") or known[1]
    if not (isinstance(name, str) and name and isinstance(version, str)):
        raise InvalidChallengeError(
            f"the offer does not say the EIP-712 name and version of the token {asset}",
            hint="a signature needs them as extra.name and extra.version; nothing was signed",
        )
    return {"name": name, "version": version, "chainId": chain_id, "verifyingContract": asset}


def _permit2_draft(
    offer: Offer, *, owner: Address, nonce: int, now: int, profile: Profile
) -> TypedData:
    return exact_permit2_typed_data(
        offer,
        owner=owner,
        chain_id=chain_id_of(offer.network),
        nonce=nonce,
        now=now,
        permit2=profile.permit2,
        exact_proxy=profile.exact_proxy,
    )


def _eip3009_draft(
    offer: Offer,
    *,
    owner: Address,
    nonce: int,
    now: int,
    profile: Profile,
) -> TypedData:
    return eip3009_typed_data(
        offer, owner=owner, chain_id=chain_id_of(offer.network), nonce=nonce, now=now
    )


def _eip3009_terms(data: TypedData) -> Terms:
    nonce = data.message["nonce"]
    assert isinstance(nonce, bytes)
    return Terms(
        spender=Address(str(data.domain["verifyingContract"])),  # the token moves itself
        recipient=Address(str(data.message["to"])),
        facilitator=None,
        nonce=int.from_bytes(nonce, "big"),
        valid_after=integer(data.message, "validAfter"),
        deadline=integer(data.message, "validBefore"),
    )


def _eip3009_payload(
    offer: Offer, owner: Address, data: TypedData, signature: bytes
) -> dict[str, object]:
    message, nonce = data.message, data.message["nonce"]
    assert isinstance(nonce, bytes)
    return {
        "authorization": {
            "from": owner,
            "to": offer.pay_to,  # as the node wrote it: it compares text
            "value": str(message["value"]),
            "validAfter": str(message["validAfter"]),
            "validBefore": str(message["validBefore"]),
            "nonce": bytes_to_hex(nonce),
        },
        "signature": bytes_to_hex(signature),
    }


_PERMIT2: Final = Scheme(draft=_permit2_draft, terms=_permit2.terms_of, payload=_permit2.payload_of)
_EIP3009: Final = Scheme(draft=_eip3009_draft, terms=_eip3009_terms, payload=_eip3009_payload)


def variant(offer: Offer) -> Scheme:
    """Return how an ``exact`` offer is paid: by Permit2 where it says so, else by EIP-3009."""
    return _PERMIT2 if offer.extra.get("assetTransferMethod") == "permit2" else _EIP3009
