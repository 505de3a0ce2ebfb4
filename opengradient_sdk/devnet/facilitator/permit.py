"""Payments as they arrive: x402 payloads read into frozen values, with nothing checked yet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, cast

from ...profiles import DEVNET
from ...types import Address, Fields, TypedData, hex_to_bytes
from .reasons import MalformedRequestError, Reason, RefusedError

Json = Mapping[str, object]
"""A JSON object."""

_UINT256_LIMIT: Final = 1 << 256
_DECIMAL: Final = re.compile(r"[0-9]{1,78}\Z")

_DOMAIN: Final[Fields] = (
    ("name", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
_TOKEN_PERMISSIONS: Final[Fields] = (("token", "address"), ("amount", "uint256"))
_TRANSFER: Final[Fields] = (
    ("permitted", "TokenPermissions"),
    ("spender", "address"),
    ("nonce", "uint256"),
    ("deadline", "uint256"),
    ("witness", "Witness"),
)
_UPTO_WITNESS: Final[Fields] = (
    ("to", "address"),
    ("facilitator", "address"),
    ("validAfter", "uint256"),
)
_EXACT_WITNESS: Final[Fields] = (("to", "address"), ("validAfter", "uint256"))


@dataclass(frozen=True, slots=True)
class Permit:
    """A signed Permit2 transfer with an x402 witness.

    ``cap`` is in atoms, ``deadline`` and ``valid_after`` are Unix seconds. ``facilitator`` is who
    alone may settle an ``upto`` permit; an ``exact`` permit names nobody.
    """

    owner: Address
    token: Address
    cap: int
    spender: Address
    nonce: int
    deadline: int
    recipient: Address
    facilitator: Address | None
    valid_after: int
    signature: bytes = field(repr=False)

    def typed_data(self, chain_id: int) -> TypedData:
        """Return what the owner must have signed (EIP-712, protocol notes 2.4 and 2.5)."""
        witness: dict[str, object] = {"to": self.recipient, "validAfter": self.valid_after}
        if self.facilitator is not None:
            witness["facilitator"] = self.facilitator
        return TypedData(
            domain_type=_DOMAIN,
            domain={
                "name": "Permit2",
                "chainId": chain_id,
                "verifyingContract": DEVNET.permit2,
            },
            types=(
                ("PermitWitnessTransferFrom", _TRANSFER),
                ("TokenPermissions", _TOKEN_PERMISSIONS),
                ("Witness", _EXACT_WITNESS if self.facilitator is None else _UPTO_WITNESS),
            ),
            primary_type="PermitWitnessTransferFrom",
            message={
                "permitted": {"token": self.token, "amount": self.cap},
                "spender": self.spender,
                "nonce": self.nonce,
                "deadline": self.deadline,
                "witness": witness,
            },
        )


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a node demands: ``amount`` is in atoms."""

    scheme: str
    network: str
    asset: Address
    amount: int
    pay_to: Address


@dataclass(frozen=True, slots=True)
class Payment:
    """A request to verify or settle: what the client sent and what the node demands.

    ``requests`` is how many calls the node says it served for this payment.
    """

    version: object
    accepted: Json
    payload: Json = field(repr=False)
    extensions: Json = field(repr=False)
    required: Requirements
    requests: int = 1

    def demanding(self, amount: int) -> Payment:
        """Return the same payment where the node demands ``amount`` atoms."""
        return replace(self, required=replace(self.required, amount=amount))

    def permit(self) -> Permit:
        """Return the Permit2 transfer in the payload.

        Raises:
            RefusedError: There is none, or a member is missing or malformed.
        """
        try:
            return self._read_permit()
        except (KeyError, TypeError, ValueError) as error:
            raise RefusedError(
                Reason.UNSUPPORTED_PAYLOAD, f"the payload is no Permit2 authorization: {error}"
            ) from None

    def _read_permit(self) -> Permit:
        signed = _object(self.payload, "permit2Authorization")
        permitted = _object(signed, "permitted")
        witness = _object(signed, "witness")
        names_facilitator = self.required.scheme == "upto"
        return Permit(
            owner=_address(signed, "from"),
            token=_address(permitted, "token"),
            cap=_uint(permitted, "amount"),
            spender=_address(signed, "spender"),
            nonce=_uint(signed, "nonce"),
            deadline=_uint(signed, "deadline"),
            recipient=_address(witness, "to"),
            facilitator=_address(witness, "facilitator") if names_facilitator else None,
            valid_after=_uint(witness, "validAfter"),
            signature=_signature(self.payload),
        )


def parse_payment(outer: Json) -> Payment:
    """Return the payment in the body of ``/verify`` or ``/settle``.

    Raises:
        MalformedRequestError: A member is missing, or the node's own requirements are malformed.
    """
    payload, required = outer.get("paymentPayload"), outer.get("paymentRequirements")
    if not isinstance(payload, Mapping) or not isinstance(required, Mapping):
        raise MalformedRequestError("Missing paymentPayload or paymentRequirements")
    try:
        requirements = _requirements(cast("Json", required))
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedRequestError(f"Invalid paymentRequirements: {error}") from None
    sent = cast("Json", payload)
    return Payment(
        version=sent.get("x402Version"),
        accepted=_object_or_empty(sent, "accepted"),
        payload=_object_or_empty(sent, "payload"),
        extensions=_object_or_empty(sent, "extensions"),
        required=requirements,
        requests=_request_count(outer.get("usageMetadata")),
    )


def _request_count(usage: object) -> int:
    """Return how many calls a settlement is for, where the node says so."""
    count = cast("Json", usage).get("requestCount") if isinstance(usage, Mapping) else None
    return count if type(count) is int and count >= 0 else 1


def _requirements(value: Json) -> Requirements:
    return Requirements(
        scheme=_text(value, "scheme"),
        network=_text(value, "network"),
        asset=_address(value, "asset"),
        amount=_uint(value, "amount"),
        pay_to=_address(value, "payTo"),
    )


def chain_spender(scheme: Literal["upto", "exact"]) -> Address:
    """Return the proxy contract that settles a scheme."""
    return DEVNET.upto_proxy if scheme == "upto" else DEVNET.exact_proxy


def _object(value: Json, name: str) -> Json:
    member = value.get(name)
    if not isinstance(member, Mapping):
        raise TypeError(f"{name} must be an object")
    return cast("Json", member)


def _object_or_empty(value: Json, name: str) -> Json:
    member = value.get(name)
    return cast("Json", member) if isinstance(member, Mapping) else {}


def _text(value: Json, name: str) -> str:
    member = value.get(name)
    if not isinstance(member, str):
        raise TypeError(f"{name} must be a string")
    return member


def _address(value: Json, name: str) -> Address:
    return Address(_text(value, name))


def _uint(value: Json, name: str) -> int:
    text = _text(value, name)
    if not _DECIMAL.match(text) or int(text) >= _UINT256_LIMIT:
        raise ValueError(f"{name} must be a decimal uint256")
    return int(text)


def _signature(payload: Json) -> bytes:
    """Return the signature's bytes; none at all where it is absent, which no check will accept."""
    text = payload.get("signature", "0x")
    return hex_to_bytes(text) if isinstance(text, str) and text else b""
