"""The ``eip2612GasSponsoring`` extension: an allowance by signature, set while settling."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from ...profiles import DEVNET
from ...types import Address, hex_to_bytes
from .permit import Json, Permit
from .reasons import Reason, RefusedError

EXTENSION: Final = "eip2612GasSponsoring"
_ADDRESS: Final = re.compile(r"0x[a-fA-F0-9]{40}\Z")
_NUMBER: Final = re.compile(r"[0-9]{1,78}\Z")
_SIGNATURE: Final = re.compile(r"0x[a-fA-F0-9]{130}\Z")
_VERSION: Final = re.compile(r"[0-9]+(\.[0-9]+)*\Z")
_FORMATS: Final = {
    "from": _ADDRESS,
    "asset": _ADDRESS,
    "spender": _ADDRESS,
    "amount": _NUMBER,
    "nonce": _NUMBER,
    "deadline": _NUMBER,
    "signature": _SIGNATURE,
    "version": _VERSION,
}
_SETTLEMENT_MARGIN: Final = 6
"""Seconds that a signature must still be valid: a block or two pass before it is used."""


@dataclass(frozen=True, slots=True)
class TokenPermit:
    """An EIP-2612 permit for Permit2: ``amount`` in atoms, ``deadline`` in Unix seconds."""

    amount: int
    deadline: int
    signature: bytes = field(repr=False)


def signed_info(extensions: Json, name: str, members: Mapping[str, object]) -> Json | None:
    """Return the signed entry of an extension, or ``None`` where the client signed nothing.

    A client that signs nothing echoes the announcement, which lacks the signed members.
    """
    entry = extensions.get(name)
    info = cast("Json", entry).get("info") if isinstance(entry, Mapping) else None
    if not isinstance(info, Mapping):
        return None
    signed = cast("Json", info)
    return signed if all(signed.get(member) for member in members) else None


def token_permit(extensions: Json, permit: Permit, *, now: float) -> TokenPermit | None:
    """Return the EIP-2612 permit that came with a payment, or ``None`` where there is none.

    Raises:
        RefusedError: It does not belong to this payment, or is malformed, or about to expire.
    """
    info = signed_info(extensions, EXTENSION, _FORMATS)
    return None if info is None else check_token_permit(info, permit, now=now)


def check_token_permit(info: Json, permit: Permit, *, now: float) -> TokenPermit:
    """Return the permit in ``info`` after the checks of the protocol notes, in their order.

    Its signature is judged by the token when the settlement is simulated.

    Raises:
        RefusedError: A check failed.
    """
    texts = {name: str(info.get(name, "")) for name in _FORMATS}
    if not all(pattern.match(texts[name]) for name, pattern in _FORMATS.items()):
        raise RefusedError(
            Reason.TOKEN_PERMIT_FORMAT, "a member of the EIP-2612 entry is malformed"
        )
    if _differs(texts["from"], permit.owner):
        raise RefusedError(Reason.TOKEN_PERMIT_FROM, "the EIP-2612 permit is of another owner")
    if _differs(texts["asset"], permit.token):
        raise RefusedError(Reason.TOKEN_PERMIT_ASSET, "the EIP-2612 permit is for another token")
    if _differs(texts["spender"], DEVNET.permit2):
        raise RefusedError(Reason.TOKEN_PERMIT_SPENDER, "the EIP-2612 permit is not for Permit2")
    if int(texts["deadline"]) < now + _SETTLEMENT_MARGIN:
        raise RefusedError(Reason.TOKEN_PERMIT_EXPIRED, "the EIP-2612 permit expires too soon")
    signature = hex_to_bytes(texts["signature"])
    return TokenPermit(int(texts["amount"]), int(texts["deadline"]), signature)


def _differs(text: str, address: Address) -> bool:
    return text.lower() != address.lower()
