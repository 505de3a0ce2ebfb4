"""A signed payment: what was promised, and the exact header that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from ..._core.bearer import Bearer
from ...types import Address, TypedData
from .._wire import encode_header
from ..challenge import Offer, PaymentRequired


@dataclass(frozen=True, slots=True)
class Authorization:
    """A signed authorization to collect up to ``max_amount`` atoms of ``asset`` from ``owner``.

    **Money**: ``header`` is a bearer secret worth ``max_amount``: whoever sends it to the node is
    served on it. A retry sends the same ``header`` again, byte for byte.

    ``spender`` is the contract that moves the tokens, ``recipient`` gets them, and only
    ``facilitator`` may collect (``None``: anybody may). ``valid_after`` and ``deadline`` are
    seconds since the epoch.
    """

    owner: Address
    network: str
    asset: Address
    max_amount: int
    spender: Address
    recipient: Address
    facilitator: Address | None
    nonce: int
    valid_after: int
    deadline: int
    typed_data: TypedData = field(repr=False)
    signature: bytes = field(repr=False)
    header: str = field(repr=False)
    scheme: str
    offer: Offer = field(repr=False)

    def __getstate__(self) -> list[object]:
        """Return what a pickle may hold: a receipt is passed on, what pays for it is not."""
        kept = {"header": "", "signature": b""}
        return [kept.get(member.name, getattr(self, member.name)) for member in fields(self)]


def payment_header(
    offer: Offer,
    required: PaymentRequired,
    payload: Mapping[str, object],
    attached: Mapping[str, object] | None = None,
) -> str:
    """Return the value of ``PAYMENT-SIGNATURE``: the payment with the challenge's parts echoed.

    ``attached`` replaces announced extensions of the same name (a sponsored approval); the others
    are echoed unchanged. Source: x402 version 2 ``PaymentPayload``.
    """
    document: dict[str, object] = {"x402Version": 2, "payload": payload, "accepted": offer.raw}
    if required.resource:
        document["resource"] = required.resource
    if extensions := {**required.extensions, **(attached or {})}:
        document["extensions"] = extensions
    return Bearer(encode_header(document))
