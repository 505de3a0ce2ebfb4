"""What a node asks for: the 402 challenge, and what counts as an answer to it.

See the protocol notes, 2.1 to 2.3, and 2.6 for the sponsored approval.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

from ...types import Address
from .facilitator_client import SCHEME, X402_VERSION
from .shapes import JsonObject, is_object

LIFETIME_SECONDS: Final = 300
CHAT: Final = "/v1/chat/completions"
COMPLETIONS: Final = "/v1/completions"
DESCRIPTIONS: Final[Mapping[str, str]] = {
    CHAT: "Chat completion",
    COMPLETIONS: "Completion",
}
"""The paid routes, and how their challenge describes them."""

_COMPARED: Final = ("scheme", "network", "amount", "asset", "payTo")
_ADDRESS: Final = "^0x[a-fA-F0-9]{40}$"
_NUMBER: Final = "^[0-9]+$"
_HEX: Final = "^0x[a-fA-F0-9]+$"
_VERSION: Final = r"^[0-9]+(\.[0-9]+)*$"


def _text(pattern: str, description: str) -> JsonObject:
    return {"type": "string", "pattern": pattern, "description": description}


_SPONSORED_MEMBERS: Final[JsonObject] = {
    "from": _text(_ADDRESS, "The address of the sender."),
    "asset": _text(_ADDRESS, "The ERC-20 token contract address to approve."),
    "spender": _text(_ADDRESS, "The address of the spender (Canonical Permit2)."),
    "amount": _text(_NUMBER, "Approval amount (uint256)."),
    "signedTransaction": _text(_HEX, "RLP-encoded signed transaction calling ERC20.approve()."),
    "version": _text(_VERSION, "Schema version identifier."),
}
EXTENSIONS: Final[JsonObject] = {
    "erc20ApprovalGasSponsoring": {
        "info": {
            "description": (
                "The facilitator accepts a raw signed approval transaction and will sponsor "
                "the gas fees."
            ),
            "version": "1",
        },
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": _SPONSORED_MEMBERS,
            "required": list(_SPONSORED_MEMBERS),
        },
    }
}
"""What the challenge announces beside the payment: approvals whose gas the facilitator pays."""


def payment_option(
    *, network: str, opg: Address, cap: int, pay_to: Address, facilitator: str
) -> JsonObject:
    """Return the one way to pay: a session of ``cap`` atoms of OPG at most, by a permit."""
    return {
        "scheme": SCHEME,
        "network": network,
        "asset": str(opg),
        "amount": str(cap),
        "payTo": str(pay_to),
        "maxTimeoutSeconds": LIFETIME_SECONDS,
        "extra": {
            "name": "OpenGradient",
            "version": "1",
            "assetTransferMethod": "permit2",
            "facilitatorAddress": facilitator,
        },
    }


def payment_required(option: JsonObject, *, url: str, path: str, error: str) -> JsonObject:
    """Return the ``PaymentRequired`` object for a request to the paid route ``path``."""
    return {
        "x402Version": X402_VERSION,
        "error": error,
        "resource": {
            "url": url,
            "description": DESCRIPTIONS[path],
            "mimeType": "application/json",
        },
        "accepts": [option],
        "extensions": EXTENSIONS,
    }


def encode_header(content: JsonObject) -> str:
    """Return base64 of compact UTF-8 JSON, as x402 headers carry it."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(text.encode()).decode()


def decode_payment(header: str) -> JsonObject | None:
    """Return the payment payload of a ``PAYMENT-SIGNATURE`` header.

    ``None`` if it is not base64 of a version 2 object: such a request counts as unpaid.
    """
    try:
        payment: Any = json.loads(base64.b64decode(header, validate=True))
    except (binascii.Error, ValueError):
        return None
    if not is_object(payment) or payment.get("x402Version") != X402_VERSION:
        return None
    return payment


def accepts(option: JsonObject, payment: JsonObject) -> bool:
    """Say whether a payment takes this option: five members equal as strings, others unread."""
    accepted = payment.get("accepted")
    return is_object(accepted) and all(accepted.get(m) == option[m] for m in _COMPARED)
