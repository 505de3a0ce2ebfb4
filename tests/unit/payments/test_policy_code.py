"""The ways in which an account acts through another address: code of its own, and wrapped calls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opengradient_sdk.errors import PolicyRejectedError, Spent
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.signers import GuardedSigner
from opengradient_sdk.types import CodeAuthorization, PreparedTx, TxRequest, TxType

from .makers import OWNER, SIGNER, STRANGER
from .test_policy import APPROVAL, OPG, a_policy, a_transaction, plainly, words

HERE = DEVNET.payments.chain_id
ELSEWHERE = HERE + 1
AGGREGATE3 = bytes.fromhex("82ad56cb")


def with_code(*chain_ids: int, **changes: Any) -> PreparedTx:
    """Return a transaction that carries an authorization for each of ``chain_ids``."""
    authorizations = tuple(CodeAuthorization(id, STRANGER, 0, 0, 1, 1) for id in chain_ids)
    return a_transaction(
        TxRequest(to=STRANGER), type=TxType.SET_CODE, authorizations=authorizations, **changes
    )


REFUSED: dict[str, tuple[PreparedTx, str]] = {
    "code on the payments chain": (with_code(HERE), "authorizations"),
    "code on every chain": (with_code(0), "authorizations"),
    "code among others": (with_code(ELSEWHERE, HERE), "authorizations"),
    # its authorization is public once it is sent, and anybody can bring it here
    "code on every chain, sent elsewhere": (with_code(0, chain_id=ELSEWHERE), "authorizations"),
    "code here, sent elsewhere": (with_code(HERE, chain_id=ELSEWHERE), "authorizations"),
    "code in an approval": (
        replace(with_code(HERE), to=DEVNET.opg, data=OPG.approve(DEVNET.permit2, APPROVAL).data),
        "authorizations",
    ),
    "code in a burning of nonces": (
        replace(with_code(HERE), to=DEVNET.permit2, data=words(bytes.fromhex("3ff9dcb1"), 0, 1)),
        "authorizations",
    ),
    "a call of oneself": (plainly(OWNER, b"\x01"), "to"),
    "a call of oneself with value": (replace(plainly(OWNER, b"\0" * 68), value=1), "to"),
}


@pytest.mark.parametrize(("tx", "field"), REFUSED.values(), ids=REFUSED)
async def test_code_in_the_accounts_name_is_refused(tx: PreparedTx, field: str) -> None:
    with pytest.raises(PolicyRejectedError) as caught:
        await GuardedSigner(SIGNER, a_policy()).sign_transaction(tx)
    assert caught.value.field == field
    assert caught.value.spent is Spent.NO
    assert "allow_spend=True" in caught.value.hint
    assert "EIP-7702" in str(caught.value)


@pytest.mark.parametrize(("tx", "field"), REFUSED.values(), ids=REFUSED)
async def test_code_that_is_meant_is_signed(tx: PreparedTx, field: str) -> None:
    meant = replace(tx, allow_spend=True)
    assert (await GuardedSigner(SIGNER, a_policy()).sign_transaction(meant)).tx == meant, field


CALL_OF_OPG = OPG.transfer(STRANGER, 1).data

ALLOWED: dict[str, PreparedTx] = {
    # how a transaction is cancelled: nothing, to oneself, at a higher fee
    "a cancellation": plainly(OWNER),
    "a cancellation at one gas price": replace(plainly(OWNER), type=TxType.LEGACY),
    "a call of oneself elsewhere": replace(plainly(OWNER, b"\x01"), chain_id=ELSEWHERE),
    "code for another chain": with_code(ELSEWHERE, chain_id=ELSEWHERE),
    # for OPG the caller is Multicall3, which owns nothing and is allowed nothing of this account's
    "OPG's transfer inside Multicall3": plainly(STRANGER, AGGREGATE3 + CALL_OF_OPG),
    # the constructor calls in the name of the new contract
    "OPG's transfer inside a new contract": plainly(None, CALL_OF_OPG),
}


@pytest.mark.parametrize("tx", ALLOWED.values(), ids=ALLOWED)
async def test_what_does_not_act_for_the_account_passes(tx: PreparedTx) -> None:
    assert (await GuardedSigner(SIGNER, a_policy()).sign_transaction(tx)).tx == tx


@pytest.mark.parametrize("kind", [TxType.LEGACY, TxType.ACCESS_LIST, TxType.DYNAMIC_FEE])
async def test_the_fee_of_an_approval_is_bounded_for_every_type(kind: TxType) -> None:
    request = OPG.approve(DEVNET.permit2, 1)
    cheap, dear = (
        a_transaction(request, type=kind, max_fee_per_gas=price, max_priority_fee_per_gas=price)
        for price in (10**10, 10**10 + 1)  # times 100,000 gas: 10^15 wei, and more
    )
    signer = GuardedSigner(SIGNER, a_policy())
    assert (await signer.sign_transaction(cheap)).tx == cheap
    with pytest.raises(PolicyRejectedError, match=r"fee is \d+ wei") as caught:
        await signer.sign_transaction(dear)
    assert caught.value.field == "fee"
    with pytest.raises(PolicyRejectedError, match="fee is"):
        await signer.sign_transaction(replace(cheap, l1_fee=1))


async def test_a_raised_fee_and_a_cancellation_ask_the_policy_again() -> None:
    """What replaces a transaction is a new signature, and may be refused where the first passed."""
    signer = GuardedSigner(SIGNER, a_policy())
    first = a_transaction(OPG.approve(DEVNET.permit2, 1), max_fee_per_gas=10**10)
    await signer.sign_transaction(first)
    with pytest.raises(PolicyRejectedError, match="fee is"):
        await signer.sign_transaction(replace(first, max_fee_per_gas=2 * 10**10))
    cancellation = replace(first, to=OWNER, data=b"", max_fee_per_gas=2 * 10**10)
    assert (await signer.sign_transaction(cancellation)).tx == cancellation
