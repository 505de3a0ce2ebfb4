"""A signed authorization as the bytes that are sealed, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from ..._core.bearer import Bearer
from ...errors import LedgerError
from ...types import Address, TypedData
from ..challenge import Offer
from ..schemes import Authorization

_VERSION: Final = 1
_BYTES: Final = "$bytes"


def to_document(signed: Authorization) -> bytes:
    """Return everything of an authorization. **Money**: it is worth its cap; seal it."""
    offer, data = signed.offer, signed.typed_data
    document = {
        "version": _VERSION,
        "owner": signed.owner,
        "network": signed.network,
        "asset": signed.asset,
        "max_amount": signed.max_amount,
        "spender": signed.spender,
        "recipient": signed.recipient,
        "facilitator": signed.facilitator,
        "nonce": signed.nonce,
        "valid_after": signed.valid_after,
        "deadline": signed.deadline,
        "signature": signed.signature.hex(),
        "header": signed.header,
        "scheme": signed.scheme,
        "offer": {
            "scheme": offer.scheme,
            "network": offer.network,
            "asset": offer.asset,
            "amount": offer.amount,
            "pay_to": offer.pay_to,
            "max_timeout_seconds": offer.max_timeout_seconds,
            "extra": offer.extra,
            "raw": offer.raw,
        },
        "typed_data": {
            "domain_type": data.domain_type,
            "domain": _packed(data.domain),
            "types": data.types,
            "primary_type": data.primary_type,
            "message": _packed(data.message),
        },
    }
    return json.dumps(document, separators=(",", ":")).encode()


def from_document(document: bytes) -> Authorization:
    """Return the authorization that ``to_document`` wrote; its header is the same, byte for byte.

    Raises:
        LedgerError: It is of another version of this package.
    """
    try:
        return _authorization(json.loads(document))
    except (ValueError, KeyError, TypeError) as error:
        # no cause: the message of a JSON error is harmless, but its object holds the whole secret
        raise LedgerError(
            f"a stored authorization cannot be read ({type(error).__name__})",
            hint="A newer version of opengradient-sdk may have written it.",
        ) from None


def _authorization(members: Mapping[str, Any]) -> Authorization:
    if members["version"] != _VERSION:
        raise ValueError(f"version {members['version']!r}")
    facilitator = members["facilitator"]
    return Authorization(
        owner=Address(members["owner"]),
        network=members["network"],
        asset=Address(members["asset"]),
        max_amount=int(members["max_amount"]),
        spender=Address(members["spender"]),
        recipient=Address(members["recipient"]),
        facilitator=None if facilitator is None else Address(facilitator),
        nonce=int(members["nonce"]),
        valid_after=int(members["valid_after"]),
        deadline=int(members["deadline"]),
        typed_data=_typed_data(members["typed_data"]),
        signature=bytes.fromhex(members["signature"]),
        header=Bearer(members["header"]),
        scheme=members["scheme"],
        offer=Offer(**members["offer"]),
    )


def _typed_data(members: Mapping[str, Any]) -> TypedData:
    return TypedData(
        domain_type=_fields(members["domain_type"]),
        domain=_members(members["domain"]),
        types=tuple((name, _fields(fields)) for name, fields in members["types"]),
        primary_type=members["primary_type"],
        message=_members(members["message"]),
    )


def _fields(pairs: Sequence[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, kind) for name, kind in pairs)


def _packed(value: object) -> object:
    """Return a member of typed data as JSON holds it; only bytes need a form of their own."""
    if isinstance(value, bytes):
        return {_BYTES: value.hex()}
    if isinstance(value, Mapping):
        members = cast(Mapping[str, object], value)
        return {name: _packed(member) for name, member in members.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_packed(member) for member in cast(Sequence[object], value)]
    return value


def _unpacked(value: object) -> object:
    if isinstance(value, dict):
        members = cast(dict[str, object], value)
        if members.keys() == {_BYTES}:
            return bytes.fromhex(str(members[_BYTES]))
        return _members(members)
    if isinstance(value, list):
        return [_unpacked(member) for member in cast(list[object], value)]
    return value


def _members(packed: Mapping[str, object]) -> dict[str, object]:
    return {name: _unpacked(member) for name, member in packed.items()}
