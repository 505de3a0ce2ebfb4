"""The rest of Permit2: plain signature transfers, and allowances that expire."""

from __future__ import annotations

from typing import Any

import pytest

from opengradient_sdk.devnet.contracts import addresses

from .chainkit import NOW, STRANGER, Anvil, RevertedError
from .permits import sign, upto

pytestmark = pytest.mark.anvil

PERMIT2 = (addresses.PERMIT2, "Permit2")
PAYER = upto()
RECIPIENT = PAYER.to
DOMAIN = {"name": "Permit2", "chainId": 8453, "verifyingContract": addresses.PERMIT2}
NEVER_SPENT = 2**160 - 1


@pytest.fixture
def funded(chain: Anvil) -> Anvil:
    """The payer has approved Permit2."""
    chain.send(PAYER.owner, addresses.OPG, "OPG", "approve", addresses.PERMIT2, 2**256 - 1)
    return chain


def fields(**types: str) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in types.items()]


def refusal(chain: Anvil, sender: str, function: str, *arguments: Any) -> tuple[str, Any]:
    with pytest.raises(RevertedError) as refused:
        chain.send(sender, *PERMIT2, function, *arguments)
    return refused.value.name, refused.value.arguments


def allowance(chain: Anvil) -> Any:
    return chain.call(*PERMIT2, "allowance", PAYER.owner, addresses.OPG, STRANGER)


def approve(chain: Anvil, amount: int, expiration: int) -> dict[str, Any]:
    return chain.send(PAYER.owner, *PERMIT2, "approve", addresses.OPG, STRANGER, amount, expiration)


def test_a_plain_signature_moves_tokens_once(funded: Anvil) -> None:
    types = {
        "PermitTransferFrom": fields(
            permitted="TokenPermissions", spender="address", nonce="uint256", deadline="uint256"
        ),
        "TokenPermissions": fields(token="address", amount="uint256"),
    }
    permitted = {"token": addresses.OPG, "amount": 100}
    message = {"permitted": permitted, "spender": STRANGER, "nonce": 5, "deadline": NOW}
    signature = sign(PAYER.key, DOMAIN, types, message)
    terms = ((addresses.OPG, 100), 5, NOW)
    call = ("permitTransferFrom", terms, (RECIPIENT, 40), PAYER.owner, signature)
    too_much = ("permitTransferFrom", terms, (RECIPIENT, 101), PAYER.owner, signature)
    assert refusal(funded, STRANGER, *too_much) == ("InvalidAmount", (100,))
    assert refusal(funded, PAYER.owner, *call) == ("InvalidSigner", ())
    receipt = funded.send(STRANGER, *PERMIT2, *call)
    assert funded.events(receipt, "OPG", "Transfer")[0]["value"] == 40
    assert refusal(funded, STRANGER, *call) == ("InvalidNonce", ())


def test_an_allowance_is_spent(funded: Anvil) -> None:
    receipt = approve(funded, 100, NOW + 60)
    [told] = funded.events(receipt, "Permit2", "Approval(address,address,address,uint160,uint48)")
    assert (told["amount"], told["expiration"]) == (100, NOW + 60)
    spend = ("transferFrom", PAYER.owner, RECIPIENT, 60, addresses.OPG)
    receipt = funded.send(STRANGER, *PERMIT2, *spend)
    assert funded.events(receipt, "OPG", "Transfer")[0]["value"] == 60
    assert allowance(funded) == (40, NOW + 60, 0)
    assert refusal(funded, STRANGER, *spend) == ("InsufficientAllowance", (40,))


def test_an_allowance_expires(funded: Anvil) -> None:
    approve(funded, 100, NOW + 60)
    funded.set_time(NOW + 61)
    spend = ("transferFrom", PAYER.owner, RECIPIENT, 1, addresses.OPG)
    assert refusal(funded, STRANGER, *spend) == ("AllowanceExpired", (NOW + 60,))


def test_an_expiration_of_zero_is_this_block(funded: Anvil) -> None:
    approve(funded, 100, 0)
    assert allowance(funded) == (100, NOW, 0)


def test_the_greatest_allowance_is_not_used_up(funded: Anvil) -> None:
    approve(funded, NEVER_SPENT, NOW + 60)
    funded.send(STRANGER, *PERMIT2, "transferFrom", PAYER.owner, RECIPIENT, 60, addresses.OPG)
    assert allowance(funded)[0] == NEVER_SPENT


def test_a_lockdown_takes_allowances_back(funded: Anvil) -> None:
    approve(funded, 100, NOW + 60)
    receipt = funded.send(PAYER.owner, *PERMIT2, "lockdown", [(addresses.OPG, STRANGER)])
    assert len(funded.events(receipt, "Permit2", "Lockdown")) == 1
    assert allowance(funded)[0] == 0


def signed_permit(nonce: int, deadline: int = NOW) -> tuple[Any, ...]:
    """Return the arguments of `permit`: 100 atoms for the stranger, until a minute from now."""
    types = {
        "PermitSingle": fields(details="PermitDetails", spender="address", sigDeadline="uint256"),
        "PermitDetails": fields(
            token="address", amount="uint160", expiration="uint48", nonce="uint48"
        ),
    }
    details = {"token": addresses.OPG, "amount": 100, "expiration": NOW + 60, "nonce": nonce}
    message = {"details": details, "spender": STRANGER, "sigDeadline": deadline}
    signature = sign(PAYER.key, DOMAIN, types, message)
    return (PAYER.owner, (tuple(details.values()), STRANGER, deadline), signature)


def test_an_allowance_is_given_by_a_signature_once(funded: Anvil) -> None:
    permit = signed_permit(nonce=0)
    receipt = funded.send(STRANGER, *PERMIT2, "permit", *permit)
    [told] = funded.events(receipt, "Permit2", "Permit")
    assert (told["amount"], told["nonce"]) == (100, 0)
    assert allowance(funded) == (100, NOW + 60, 1)
    assert refusal(funded, STRANGER, "permit", *permit) == ("InvalidNonce", ())


def test_what_is_no_permit(funded: Anvil) -> None:
    owner, terms, signature = signed_permit(nonce=0)
    expired = signed_permit(nonce=0, deadline=NOW - 1)
    assert refusal(funded, STRANGER, "permit", *expired) == ("SignatureExpired", (NOW - 1,))
    other = (RECIPIENT, terms, signature)
    assert refusal(funded, STRANGER, "permit", *other) == ("InvalidSigner", ())
    cut = (owner, terms, signature[:-2])
    assert refusal(funded, STRANGER, "permit", *cut) == ("InvalidSignatureLength", ())


def test_permits_are_cancelled_by_their_nonce(funded: Anvil) -> None:
    cancel = ("invalidateNonces", addresses.OPG, STRANGER)
    receipt = funded.send(PAYER.owner, *PERMIT2, *cancel, 3)
    [told] = funded.events(receipt, "Permit2", "NonceInvalidation")
    assert (told["oldNonce"], told["newNonce"]) == (0, 3)
    assert refusal(funded, STRANGER, "permit", *signed_permit(nonce=0)) == ("InvalidNonce", ())
    assert refusal(funded, PAYER.owner, *cancel, 3) == ("InvalidNonce", ())
    assert refusal(funded, PAYER.owner, *cancel, 3 + 65536) == ("ExcessiveInvalidation", ())
