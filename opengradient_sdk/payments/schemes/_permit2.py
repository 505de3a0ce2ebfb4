"""What both Permit2 schemes share: a transfer with a witness (Permit2's SignatureTransfer)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ...types import Address, Fields, TypedData, bytes_to_hex
from ..challenge import Offer
from ._terms import Terms, address_in, integer, part, window

_DOMAIN: Final[Fields] = (
    ("name", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
_TOKEN: Final[Fields] = (("token", "address"), ("amount", "uint256"))
_TRANSFER: Final[Fields] = (
    ("permitted", "TokenPermissions"),
    ("spender", "address"),
    ("nonce", "uint256"),
    ("deadline", "uint256"),
    ("witness", "Witness"),
)
PRIMARY: Final = "PermitWitnessTransferFrom"

Types = tuple[tuple[str, Fields], ...]


def types_with(witness: Fields) -> Types:
    """Return the EIP-712 types of a transfer whose witness has these members."""
    return ((PRIMARY, _TRANSFER), ("TokenPermissions", _TOKEN), ("Witness", witness))


def transfer(
    offer: Offer,
    types: Types,
    *,
    chain_id: int,
    permit2: Address,
    spender: Address,
    nonce: int,
    now: int,
    witness: Mapping[str, object],
) -> TypedData:
    """Return the typed data of a transfer of up to ``offer.amount`` that ``spender`` may make.

    The window of validity is the offer's: ``witness`` gets ``validAfter`` as its last member.
    """
    valid_after, deadline = window(offer, now)
    return TypedData(
        domain_type=_DOMAIN,
        domain={"name": "Permit2", "chainId": chain_id, "verifyingContract": permit2},
        types=types,
        primary_type=PRIMARY,
        message={
            "permitted": {
                "token": address_in(offer, "asset", offer.asset),
                "amount": offer.amount,
            },
            "spender": spender,
            "nonce": nonce,
            "deadline": deadline,
            "witness": {**witness, "validAfter": valid_after},
        },
    )


def terms_of(data: TypedData) -> Terms:
    """Return what a transfer's typed data allows."""
    witness = part(data.message, "witness")
    facilitator = witness.get("facilitator")
    return Terms(
        spender=Address(str(data.message["spender"])),
        recipient=Address(str(witness["to"])),
        facilitator=Address(str(facilitator)) if facilitator is not None else None,
        nonce=integer(data.message, "nonce"),
        valid_after=integer(witness, "validAfter"),
        deadline=integer(data.message, "deadline"),
    )


def payload_of(
    offer: Offer, owner: Address, data: TypedData, signature: bytes
) -> dict[str, object]:
    """Return the scheme's part of a payment: numbers as decimal text, addresses with checksums."""
    message = data.message
    permitted = part(message, "permitted")
    return {
        "permit2Authorization": {
            "from": owner,
            "permitted": {"token": permitted["token"], "amount": str(permitted["amount"])},
            "spender": message["spender"],
            "nonce": str(message["nonce"]),
            "deadline": str(message["deadline"]),
            "witness": {name: str(value) for name, value in part(message, "witness").items()},
        },
        "signature": bytes_to_hex(signature),
    }
