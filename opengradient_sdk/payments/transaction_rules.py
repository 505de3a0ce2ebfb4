"""Which raw transactions may be signed without an explicit word.

OPG leaves an account only when the account itself calls OPG, Permit2 or an x402 proxy, or when it
has allowed somebody else to. So it is enough to look at where a transaction goes, and at the two
ways in which an account can be made to act through another address:

- code that it is given (EIP-7702), and calls of itself, which run that code in its name;
- allowances, which are calls of OPG and Permit2 themselves.

A call wrapped in another contract (Multicall3, a router) is made by that contract, which has no
OPG of this account's and no allowance. A contract that is created calls in its own name, too.
"""

from __future__ import annotations

from typing import Final

from ..profiles import Profile
from ..types import Address, Amount, PreparedTx
from .refusal import refused

_APPROVE: Final = bytes.fromhex("095ea7b3")
_APPROVE_SIZE: Final = 4 + 2 * 32
_INVALIDATE_NONCES: Final = bytes.fromhex("3ff9dcb1")
_MAX_APPROVAL_FEE: Final = 10**15
"""Wei. Approvals are signed without being asked for, at the fee that an RPC endpoint names."""
_EVERY_CHAIN: Final = 0
"""The chain id of an EIP-7702 authorization that holds everywhere."""


def check_transaction(tx: PreparedTx, profile: Profile, *, max_approval: int) -> None:
    """Return if ``tx`` moves no OPG, or says with ``allow_spend`` that it is meant to.

    ``max_approval`` (atoms) is the most that Permit2 is allowed. The transaction that cancels
    another one, a transfer of nothing to oneself, passes.

    Raises:
        PolicyRejectedError: It could spend; the field says by what.
    """
    if tx.allow_spend:
        return
    _check_authorizations(tx, profile)
    if tx.chain_id != profile.payments.chain_id:
        return
    _check_self_call(tx)
    selector = tx.data[:4]
    if tx.to == profile.permit2 and selector == _INVALIDATE_NONCES:
        return
    if tx.to == profile.opg and selector == _APPROVE and len(tx.data) == _APPROVE_SIZE:
        _check_approval(tx, profile.permit2, max_approval)
        return
    if tx.to in (profile.opg, profile.permit2, profile.upto_proxy, profile.exact_proxy):
        raise refused(
            "transaction",
            f"0x{selector.hex()} to {tx.to}",
            "bounded approvals of Permit2, and burning nonces",
            "If moving OPG by hand is meant: TxRequest(…, allow_spend=True).",
        )


def _check_authorizations(tx: PreparedTx, profile: Profile) -> None:
    """Refuse code for an account on the payments chain, whichever chain the transaction is for.

    Once a transaction is sent its authorizations are public, and anybody can bring those that hold
    on the payments chain there.
    """
    for authorization in tx.authorizations:
        if authorization.chain_id in (_EVERY_CHAIN, profile.payments.chain_id):
            raise refused(
                "authorizations",
                f"code at {authorization.address} for an account (EIP-7702)",
                "none on the payments chain",
                "That code can move all OPG of the account. If you trust it with that: "
                "TxRequest(…, allow_spend=True).",
            )


def _check_self_call(tx: PreparedTx) -> None:
    if tx.to == tx.sender and tx.data:
        raise refused(
            "to",
            f"the sender itself, with {len(tx.data)} bytes of data",
            "a plain transfer to oneself",
            "Where the account has code (EIP-7702), it would run in the account's name. If it is "
            "meant: TxRequest(…, allow_spend=True).",
        )


def _check_approval(tx: PreparedTx, permit2: Address, max_approval: int) -> None:
    spender = Address.from_bytes(tx.data[16:36])
    amount = int.from_bytes(tx.data[36:68], "big")
    if spender != permit2:
        raise refused(
            "spender",
            spender,
            permit2,
            "If somebody else may move OPG: TxRequest(…, allow_spend=True).",
        )
    if amount > max_approval:
        raise refused(
            "amount",
            str(Amount(amount)),
            f"at most {Amount(max_approval)}",
            "If it is meant: PaymentRules(max_approval=…).",
        )
    # where a transaction has one gas price, both of its fee fields hold it
    fee = tx.gas * tx.max_fee_per_gas + tx.l1_fee
    if fee > _MAX_APPROVAL_FEE:
        raise refused(
            "fee",
            f"{fee} wei",
            f"at most {_MAX_APPROVAL_FEE} wei",
            "Fees are unusually high, or the RPC endpoint lies about them; try later.",
        )
