"""Offers, signed caps and clocks for the tests of the money rooms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from opengradient_sdk.payments.challenge import Offer, PaymentRequired
from opengradient_sdk.payments.schemes import Authorization, authorization_for, typed_data_for
from opengradient_sdk.payments.state import OpenAuthorization
from opengradient_sdk.profiles import DEVNET, Profile
from opengradient_sdk.signers import LocalSigner
from opengradient_sdk.types import Address, Bytes32

CAP = 10**17
NOW = 1_800_000_000.0
KEY = "0x" + "11" * 32
SIGNER = LocalSigner.from_key(KEY)
OWNER = SIGNER.address
PAYEE = Address("0x" + "aa" * 20)
STRANGER = Address("0x" + "bb" * 20)
FACILITATOR = Address("0x" + "fa" * 20)
TEE = Bytes32(b"\x01" * 32)
CHAT = "/v1/chat/completions"


class SteppedClock:
    """A clock that moves when it is told to."""

    def __init__(self, now: float = NOW) -> None:
        self.seconds = now

    def now(self) -> float:
        return self.seconds


def an_offer(**changes: Any) -> Offer:
    """An offer as an honest node of the Devnet makes it, with ``changes``."""
    extra = {
        "assetTransferMethod": "permit2",
        "facilitatorAddress": FACILITATOR,
        **changes.pop("extra", {}),
    }
    offer = Offer(
        scheme="upto",
        network=DEVNET.payments.caip2,
        asset=DEVNET.opg,
        amount=CAP,
        pay_to=PAYEE,
        max_timeout_seconds=300,
        extra=extra,
        raw={},
    )
    return replace(offer, **changes)


def a_challenge(offer: Offer, **extensions: object) -> PaymentRequired:
    """A challenge with this offer."""
    return PaymentRequired(2, "Payment required", {}, (offer,), extensions)


def an_authorization(nonce: int = 1, *, profile: Profile = DEVNET, **changes: Any) -> Authorization:
    """An authorization whose signature nobody will check."""
    offer = an_offer(**changes)
    data = typed_data_for(offer, owner=OWNER, profile=profile, now=int(NOW), nonce=nonce)
    return authorization_for(
        offer, a_challenge(offer), owner=OWNER, data=data, signature=b"\x5a" * 65
    )


def a_life(
    nonce: int = 1,
    *,
    tee_id: Bytes32 = TEE,
    route: str = CHAT,
    signed_at: float = NOW,
    **changes: Any,
) -> OpenAuthorization:
    """A cap that was just signed."""
    return OpenAuthorization(
        authorization=an_authorization(nonce, **changes),
        tee_id=tee_id,
        route=route,
        signed_at=signed_at,
        from_block=7,
    )
