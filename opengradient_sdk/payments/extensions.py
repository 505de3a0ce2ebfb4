"""Getting Permit2's allowance along with a payment: sponsored approvals and EIP-2612 permits.

A node announces what its facilitator sponsors under ``extensions``; the client answers with an
``info`` object of its own in the same place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..errors import SignerError
from ..types import Address, Fields, SignedTx, TypedData, bytes_to_hex
from .challenge import Offer
from .schemes.exact import TOKEN_DOMAIN, token_domain

ERC20_APPROVAL: Final = "erc20ApprovalGasSponsoring"
EIP2612: Final = "eip2612GasSponsoring"

_VERSION: Final = "1"
_APPROVE: Final = bytes.fromhex("095ea7b3")
_EIP1559: Final = 2
_PERMIT: Final[Fields] = (
    ("owner", "address"),
    ("spender", "address"),
    ("value", "uint256"),
    ("nonce", "uint256"),
    ("deadline", "uint256"),
)


def erc20_approval_info(
    signed: SignedTx, *, owner: Address, asset: Address, spender: Address, amount: int
) -> dict[str, object]:
    """Return the extension that hands a signed ``approve`` to the facilitator, who sponsors it.

    The transaction must be exactly that approval: what a facilitator is told and what it sends are
    the same. ``amount`` is in atoms; ``spender`` is Permit2.

    **Money**: the approval is sent when the payment settles, minutes later; its account nonce must
    stay unused until then.

    Raises:
        SignerError: The transaction does something else.
    """
    tx = signed.tx
    asked = {
        "sender": (tx.sender, owner),
        "recipient": (tx.to, asset),
        "value": (tx.value, 0),
        "call": (tx.data, approve_call(spender, amount)),
        "type": (signed.raw[:1], bytes([_EIP1559])),
    }
    for member, (got, wanted) in asked.items():
        if got != wanted:
            raise SignerError(
                f"the signed approval has another {member} than was asked for",
                hint="nothing was sent; the wallet or the caller mixed up two transactions",
            )
    return {
        ERC20_APPROVAL: {
            "info": {
                "from": owner,
                "asset": asset,
                "spender": spender,
                "amount": str(amount),
                "signedTransaction": bytes_to_hex(signed.raw),
                "version": _VERSION,
            }
        }
    }


def approve_call(spender: Address, amount: int) -> bytes:
    """Return the calldata of ERC-20 ``approve(spender, amount)``; ``amount`` is in atoms."""
    return _APPROVE + spender.to_bytes().rjust(32, b"\0") + amount.to_bytes(32, "big")


def eip2612_typed_data(
    offer: Offer, *, owner: Address, chain_id: int, nonce: int, deadline: int, permit2: Address
) -> TypedData:
    """Return what ``owner`` signs to allow Permit2 the offer's amount by the token's own permit.

    The value is exactly the cap: the proxy demands that both are equal. ``nonce`` is the token's
    ``nonces(owner)``, ``deadline`` the payment's (seconds since the epoch).

    **Money**: the allowance moves nothing by itself.

    Raises:
        InvalidChallengeError: The token's EIP-712 name is neither in the offer nor known.
    """
    return TypedData(
        domain_type=TOKEN_DOMAIN,
        domain=token_domain(offer, chain_id),
        types=(("Permit", _PERMIT),),
        primary_type="Permit",
        message={
            "owner": owner,
            "spender": permit2,
            "value": offer.amount,
            "nonce": nonce,
            "deadline": deadline,
        },
    )


def eip2612_info(data: TypedData, signature: bytes) -> dict[str, object]:
    """Return the extension that hands the signed permit ``data`` to the facilitator."""
    message: Mapping[str, object] = data.message
    return {
        EIP2612: {
            "info": {
                "from": message["owner"],
                "asset": data.domain["verifyingContract"],
                "spender": message["spender"],
                "amount": str(message["value"]),
                "nonce": str(message["nonce"]),
                "deadline": str(message["deadline"]),
                "signature": bytes_to_hex(signature),
                "version": _VERSION,
            }
        }
    }
