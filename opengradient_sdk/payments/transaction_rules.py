"""Which raw transactions may be signed without an explicit word.

OPG leaves an account only when the account itself calls OPG, Permit2 or an x402 proxy, or when it
has allowed somebody else to. So it is enough to look at where a transaction goes, and at the two
ways in which an account can be made to act through another address:

- code that it is given (EIP-7702), and calls of itself, which run that code in its name;
- allowances, which are calls of OPG and Permit2 themselves.

A call wrapped in another contract (Multicall3, a router) is made by that contract, which has no
OPG of this account's and no allowance. A contract that is created calls in its own name, too.

OPG of the payments chain is what is guarded. On another chain the same address may be anything, and
a signature is bound to its chain id (EIP-155), so that nothing signed there moves OPG here; the one
exception, EIP-7702 authorizations, is looked at on every chain.
"""

from __future__ import annotations

from typing import Final

from ..profiles import Profile
from ..types import Address, Amount, PreparedTx
from .refusal import Refusal

_APPROVE: Final = bytes.fromhex("095ea7b3")
_APPROVE_SIZE: Final = 4 + 2 * 32
_INVALIDATE_NONCES: Final = bytes.fromhex("3ff9dcb1")
_MAX_APPROVAL_FEE: Final = 10**15
"""Wei. Approvals are signed without being asked for, at the fee that an RPC endpoint names."""
_MAX_APPROVAL_GAS: Final = 100_000
"""An approval takes about 50,000. A sponsor pays gas times fee to the account (the protocol notes,
section 11, S11), and an account that pays by itself should not be drained by a gas estimate."""
_EVERY_CHAIN: Final = 0
"""The chain id of an EIP-7702 authorization that holds everywhere."""


def transaction_refusal(tx: PreparedTx, profile: Profile, *, max_approval: int) -> Refusal | None:
    """Return ``None`` if ``tx`` moves no OPG, or says with ``allow_spend`` that it is meant to.

    ``max_approval`` (atoms) is the most that Permit2 is allowed. The transaction that cancels
    another one, a transfer of nothing to oneself, passes. What is returned says by what the
    transaction could spend.
    """
    if tx.allow_spend:
        return None
    refusal = _code_refusal(tx, profile)
    if refusal is not None or tx.chain_id != profile.payments.chain_id:
        return refusal
    if tx.to == tx.sender and tx.data:
        return _self_call(tx)
    selector = tx.data[:4]
    if tx.to == profile.permit2 and selector == _INVALIDATE_NONCES:
        return None
    if tx.to == profile.opg and selector == _APPROVE and len(tx.data) == _APPROVE_SIZE:
        return _approval_refusal(tx, profile.permit2, max_approval)
    if tx.to in (profile.opg, profile.permit2, profile.upto_proxy, profile.exact_proxy):
        return Refusal(
            "transaction",
            f"0x{selector.hex()} to {tx.to}",
            "bounded approvals of Permit2, and burning nonces",
            "If moving OPG by hand is meant: TxRequest(…, allow_spend=True).",
        )
    return None


def _code_refusal(tx: PreparedTx, profile: Profile) -> Refusal | None:
    """Refuse code for an account on the payments chain, whichever chain the transaction is for.

    Once a transaction is sent its authorizations are public, and anybody can bring those that hold
    on the payments chain there.
    """
    for authorization in tx.authorizations:
        if authorization.chain_id in (_EVERY_CHAIN, profile.payments.chain_id):
            return Refusal(
                "authorizations",
                f"code at {authorization.address} for an account (EIP-7702)",
                "none on the payments chain",
                "That code can move all OPG of the account. If you trust it with that: "
                "TxRequest(…, allow_spend=True).",
            )
    return None


def _self_call(tx: PreparedTx) -> Refusal:
    return Refusal(
        "to",
        f"the sender itself, with {len(tx.data)} bytes of data",
        "a plain transfer to oneself",
        "Where the account has code (EIP-7702), it would run in the account's name. If it is "
        "meant: TxRequest(…, allow_spend=True).",
    )


def _approval_refusal(tx: PreparedTx, permit2: Address, max_approval: int) -> Refusal | None:
    spender, amount = tx.data[4:36], int.from_bytes(tx.data[36:68], "big")
    if spender != permit2.to_bytes().rjust(32, b"\0"):
        return Refusal(
            "spender",
            _spelled(spender),
            permit2,
            "If somebody else may move OPG: TxRequest(…, allow_spend=True).",
        )
    if amount > max_approval:
        return Refusal(
            "amount",
            str(Amount(amount)),
            f"at most {Amount(max_approval)}",
            "If it is meant: PaymentRules(max_approval=…).",
        )
    return _cost_refusal(tx)


def _cost_refusal(tx: PreparedTx) -> Refusal | None:
    """Refuse an approval that would cost its account, or its sponsor, more than approvals do."""
    if tx.value:
        return Refusal(
            "value", f"{tx.value} wei", "0 wei", "An approval takes no coin; send none with it."
        )
    if tx.gas > _MAX_APPROVAL_GAS:
        return Refusal(
            "gas",
            tx.gas,
            f"at most {_MAX_APPROVAL_GAS}",
            "Pass a smaller gas, or use another RPC endpoint: this one's estimate is too high.",
        )
    # where a transaction has one gas price, both of its fee fields hold it
    fee = tx.gas * tx.max_fee_per_gas + tx.l1_fee
    if fee > _MAX_APPROVAL_FEE:
        return Refusal(
            "fee",
            f"{fee} wei",
            f"at most {_MAX_APPROVAL_FEE} wei",
            "Fees are unusually high, or the RPC endpoint lies about them; try later.",
        )
    return None


def _spelled(word: bytes) -> str:
    """Return the address in a word of calldata; a word with anything before it is shown whole."""
    return Address.from_bytes(word[12:]) if not any(word[:12]) else f"0x{word.hex()}"
