"""Which transactions the chain takes, and geth's words for those it does not.

Tools tell failures apart by these texts, so they are geth's own. There is no pool: a transaction is
mined at once or refused, also one whose nonce is ahead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eth.constants import GAS_TX
from eth.exceptions import PyEVMError
from eth.vm.forks.prague.constants import STANDARD_TOKEN_COST, TOTAL_COST_FLOOR_PER_TOKEN
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException  # type: ignore[import-untyped]

from ...types import Address
from .errors import invalid_params, refused
from .fork import BASE_FEE, GAS_LIMIT

if TYPE_CHECKING:
    from eth.abc import SignedTransactionAPI, StateAPI

    from .machine import Machine

_BLOB_TYPE = 3
_MAX_INITCODE = 49152


def admit(machine: Machine, raw: bytes) -> SignedTransactionAPI:
    """Return the transaction in ``raw``, which can be mined now.

    Raises:
        JsonRpcError: It cannot be decoded (-32602), or the chain refuses it (-32000).
    """
    try:
        transaction = machine.decode(raw)
        transaction.validate()
        transaction.check_signature_validity()
    except (RLPException, ValidationError, PyEVMError, ValueError, TypeError) as error:
        raise invalid_params(f"invalid transaction: {error}") from error
    if transaction.hash in machine.transactions:
        raise refused("already known")
    _check_form(machine, transaction)
    state = machine.state_of(machine.head)
    _check_nonce(state, transaction)
    _check_funds(state, transaction)
    return transaction


def minimum_gas(transaction: SignedTransactionAPI) -> int:
    """Return the least gas limit with which this transaction can be mined (EIP-7623)."""
    zeros = transaction.data.count(0)
    tokens = zeros + (len(transaction.data) - zeros) * STANDARD_TOKEN_COST
    return max(transaction.intrinsic_gas, GAS_TX + TOTAL_COST_FLOOR_PER_TOKEN * tokens)


def _check_form(machine: Machine, transaction: SignedTransactionAPI) -> None:
    if transaction.type_id == _BLOB_TYPE:
        raise refused("transaction type not supported")
    if transaction.chain_id is None:
        raise refused("only replay-protected (EIP-155) transactions allowed over RPC")
    if transaction.chain_id != machine.chain_id:
        raise refused(
            "invalid sender: invalid chain id for signer: "
            f"have {transaction.chain_id} want {machine.chain_id}"
        )
    if transaction.gas > GAS_LIMIT:
        raise refused("exceeds block gas limit")
    if not transaction.to and len(transaction.data) > _MAX_INITCODE:
        raise refused(
            f"max initcode size exceeded: code size {len(transaction.data)}, limit {_MAX_INITCODE}"
        )
    if transaction.gas < (needed := minimum_gas(transaction)):
        raise refused(f"intrinsic gas too low: gas {transaction.gas}, minimum needed {needed}")
    sender, fee = Address.from_bytes(transaction.sender), transaction.max_fee_per_gas
    if transaction.max_priority_fee_per_gas > fee:
        raise refused(
            f"max priority fee per gas higher than max fee per gas: address {sender}, "
            f"maxPriorityFeePerGas: {transaction.max_priority_fee_per_gas}, maxFeePerGas: {fee}"
        )
    if fee < BASE_FEE:
        raise refused(
            f"max fee per gas less than block base fee: address {sender}, "
            f"maxFeePerGas: {fee}, baseFee: {BASE_FEE}"
        )


def _check_nonce(state: StateAPI, transaction: SignedTransactionAPI) -> None:
    expected = state.get_nonce(transaction.sender)
    if transaction.nonce < expected:
        raise refused(f"nonce too low: next nonce {expected}, tx nonce {transaction.nonce}")
    if transaction.nonce > expected:
        sender = Address.from_bytes(transaction.sender)
        raise refused(
            f"nonce too high: address {sender}, tx: {transaction.nonce} state: {expected}"
        )


def _check_funds(state: StateAPI, transaction: SignedTransactionAPI) -> None:
    cost = transaction.gas * transaction.max_fee_per_gas + transaction.value
    if (balance := state.get_balance(transaction.sender)) < cost:
        raise refused(
            f"insufficient funds for gas * price + value: "
            f"balance {balance}, tx cost {cost}, overshot {cost - balance}"
        )
