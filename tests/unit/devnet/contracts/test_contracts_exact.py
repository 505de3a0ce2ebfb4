"""The exact proxy: the whole amount moves, and anybody may bring the signature."""

from __future__ import annotations

from typing import Any

import pytest

from opengradient_sdk.devnet.contracts import addresses
from opengradient_sdk.types import Address

from .chainkit import NOW, STRANGER, Anvil, RevertedError, vectors
from .permits import exact, sign_2612

pytestmark = pytest.mark.anvil

CASES = vectors("permit2_exact")["cases"]
SETTLING = [case for case in CASES if "settle_calldata" in case]


@pytest.mark.parametrize("case", SETTLING, ids=lambda case: case["name"])
def test_the_vectors_calldata_settles_once(chain: Anvil, case: dict[str, Any]) -> None:
    permit = exact(case["name"])
    chain.send(permit.owner, permit.token, "OPG", "approve", addresses.PERMIT2, permit.amount)
    calldata = bytes.fromhex(case["settle_calldata"][2:])
    receipt = chain.send_raw(STRANGER, addresses.EXACT_PROXY, calldata)
    assert chain.events(receipt, "X402ExactPermit2Proxy", "Settled") == [{}]
    assert chain.events(receipt, "OPG", "Transfer") == [
        {"from": permit.owner.lower(), "to": permit.to.lower(), "value": permit.amount}
    ]
    with pytest.raises(RevertedError) as second:
        chain.send_raw(STRANGER, addresses.EXACT_PROXY, calldata)
    assert second.value.name == "InvalidNonce"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"amount": 0}, "InvalidAmount"),
        ({"owner": Address("0x" + "00" * 20)}, "InvalidOwner"),
        ({"to": Address("0x" + "00" * 20)}, "InvalidDestination"),
        ({"valid_after": NOW + 1000}, "PaymentTooEarly"),
        ({"to": STRANGER}, "InvalidSigner"),
        ({"amount": 1}, "InvalidSigner"),
        ({"deadline": NOW - 1}, "SignatureExpired"),
    ],
)
def test_it_refuses(chain: Anvil, changes: dict[str, Any], error: str) -> None:
    with pytest.raises(RevertedError) as refused:
        exact().but(**changes).settle_exact(chain, STRANGER)
    assert refused.value.name == error


def test_a_2612_permit_gives_the_allowance(chain: Anvil) -> None:
    permit = exact()
    permit2612 = sign_2612(permit, value=permit.amount, nonce=0, deadline=permit.deadline)
    receipt = chain.send(
        STRANGER,
        addresses.EXACT_PROXY,
        "X402ExactPermit2Proxy",
        "settleWithPermit",
        *(permit2612, permit.terms, permit.owner, permit.witness, permit.signature),
    )
    assert chain.events(receipt, "X402ExactPermit2Proxy", "SettledWithPermit") == [{}]
    assert chain.call(addresses.OPG, "OPG", "nonces", permit.owner) == 1
