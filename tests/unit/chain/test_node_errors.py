"""Whatever words a node finds, the same error comes out."""

from __future__ import annotations

import pytest

from opengradient_sdk.chain.node_errors import Fault, FaultKind, revert_data
from opengradient_sdk.errors import (
    FeeTooLowError,
    InsufficientFundsError,
    NonceError,
    RevertedError,
    RpcError,
    TransactionError,
)

K = FaultKind

# code, words, meaning; above each group, where its words are from
WORDINGS = [
    # geth, core/txpool/errors.go and core/error.go, as core/txpool/validation.go wraps them
    (-32000, "already known", K.ALREADY_KNOWN),
    (-32000, "nonce too low: next nonce 5, tx nonce 3", K.NONCE_TOO_LOW),
    (-32000, "nonce too high: tx nonce 9, gapped nonce 3", K.NONCE_TOO_HIGH),
    (-32000, "replacement transaction underpriced", K.FEE_TOO_LOW),
    (-32000, "transaction underpriced: gas tip cap 1, minimum needed 2", K.FEE_TOO_LOW),
    (-32000, "transaction gas price below minimum: gas tip cap 0, minimum needed 1", K.FEE_TOO_LOW),
    (
        -32000,
        "max fee per gas less than block base fee: address 0xab, maxFeePerGas: 1, baseFee: 7",
        K.FEE_TOO_LOW,
    ),
    (
        -32000,
        "insufficient funds for gas * price + value: balance 0, tx cost 9, overshot 9",
        K.INSUFFICIENT_FUNDS,
    ),
    (
        -32000,
        "insufficient funds for gas * price + value: balance 9, queued cost 5, tx bumped 7",
        K.INSUFFICIENT_FUNDS,
    ),
    (-32000, "insufficient funds for transfer", K.INSUFFICIENT_FUNDS),
    (-32000, "intrinsic gas too low: gas 20999, minimum needed 21000", K.REFUSED),
    (
        -32000,
        "insufficient gas for floor data gas cost: gas 21001, minimum needed 21160",
        K.REFUSED,
    ),
    (-32000, "exceeds block gas limit", K.REFUSED),
    (-32000, "transaction gas limit too high (cap: 16777216, tx: 30000000)", K.REFUSED),
    (-32000, "gas uint64 overflow", K.REFUSED),
    (-32000, "transaction type not supported", K.REFUSED),
    (-32000, "transaction type not supported: tx type 3 not supported by this pool", K.REFUSED),
    (
        -32000,
        "transaction type not supported: type 4 rejected, pool not yet in Prague",
        K.REFUSED,
    ),
    (
        -32000,
        "max priority fee per gas higher than max fee per gas: address 0xab, "
        "maxPriorityFeePerGas: 2, maxFeePerGas: 1",
        K.REFUSED,
    ),
    (-32000, "max fee per gas higher than 2^256-1", K.REFUSED),
    (-32000, "oversized data: transaction size 131084, limit 131072", K.REFUSED),
    (-32000, "max initcode size exceeded: code size 49153, limit 49152", K.REFUSED),
    (-32000, "invalid sender", K.REFUSED),
    (-32000, "invalid sender: invalid chain id for signer: have 1 want 10", K.REFUSED),
    (-32000, "invalid sender: invalid transaction v, r, s values", K.REFUSED),
    (-32000, "negative value", K.REFUSED),
    (-32000, "nonce has max value", K.REFUSED),
    (-32000, "sender not an eoa", K.REFUSED),
    (-32000, "set code tx must have at least one authorization tuple", K.REFUSED),
    (-32000, "gapped-nonce tx from delegated accounts", K.NONCE_TOO_HIGH),
    (-32000, "in-flight transaction limit reached for delegated accounts", K.POOL_FULL),
    (-32000, "account limit exceeded: pooled 64 txs", K.POOL_FULL),
    (-32000, "txpool is full", K.POOL_FULL),
    (-32000, "future transaction tries to replace pending", K.POOL_FULL),
    (-32000, "address already reserved", K.POOL_FULL),
    (-32000, "authority already reserved", K.POOL_FULL),
    # geth, internal/ethapi: checkTxFee and SubmitTransaction
    (-32000, "tx fee (2.00 ether) exceeds the configured cap (1.00 ether)", K.REFUSED),
    (-32000, "only replay-protected (EIP-155) transactions allowed over RPC", K.REFUSED),
    # geth, core/types: a transaction that cannot be read
    (-32000, "rlp: value size exceeds available input length", K.REFUSED),
    (-32000, "typed transaction too short", K.REFUSED),
    # geth, internal/ethapi and rpc: calls and batches
    (3, "execution reverted: ERC20: transfer amount exceeds balance", K.REVERTED),
    (-32000, "execution reverted", K.REVERTED),
    (-32000, "header not found", K.BEHIND),
    (-32000, "missing trie node 0123 (path )", K.BEHIND),
    (-32000, "gas required exceeds allowance (0)", K.OTHER),
    (-32600, "batch too large", K.BATCH_TOO_LARGE),
    (-32601, "the method eth_foo does not exist/is not available", K.METHOD_NOT_FOUND),
    # anvil, eth/error.rs: InvalidTransactionError, PoolError, to_rpc_result
    (-32003, "transaction already imported", K.ALREADY_KNOWN),
    (-32003, "nonce too low", K.NONCE_TOO_LOW),
    (-32003, "Nonce too high", K.NONCE_TOO_HIGH),
    (-32003, "replacement transaction underpriced", K.FEE_TOO_LOW),
    (-32003, "max fee per gas less than block base fee", K.FEE_TOO_LOW),
    (-32003, "Insufficient funds for gas * price + value", K.INSUFFICIENT_FUNDS),
    (-32000, "intrinsic gas too low", K.REFUSED),
    (-32000, "intrinsic gas too high -- CallGasCostMoreThanGasLimit", K.REFUSED),
    (
        -32003,
        "Transaction gas limit is greater than the block gas limit, gas_limit: 31, cap: 30",
        K.REFUSED,
    ),
    (-32003, "invalid chain id for signer", K.REFUSED),
    (-32003, "Incompatible EIP-155 transaction, signed for another chain", K.REFUSED),
    (
        -32003,
        "EIP-7702 authorization lists are not supported before the Prague hardfork",
        K.REFUSED,
    ),
    (
        -32602,
        "EIP-7702 fields received but is not supported by the current hardfork.",
        K.REFUSED,
    ),
    (-32602, "Failed to decode transaction", K.REFUSED),
    (-32601, "Method not found", K.METHOD_NOT_FOUND),
    # reth, rpc-eth-types/src/error: RpcPoolError and RpcInvalidTransactionError
    (-32000, "already known", K.ALREADY_KNOWN),
    (-32003, "txpool is full", K.POOL_FULL),
    (-32000, "exceeds max transaction gas limit", K.REFUSED),
    (
        -32000,
        "tx fee (2000000000000000000 wei) exceeds the configured cap (1000000000000000000 wei)",
        K.REFUSED,
    ),
    (-32000, "oversized data: transaction size 131084, limit 131072", K.REFUSED),
    (-32602, "failed to decode signed transaction", K.REFUSED),
    (-32602, "invalid transaction signature", K.REFUSED),
    (-32001, "block not found: 0x186a0", K.BEHIND),
    # reth, transaction-pool/src/error.rs: what passes through from the pool
    (-32603, "insufficient gas price to replace existing transaction", K.FEE_TOO_LOW),
    (-32603, "transaction feeCap 1 below chain minimum", K.FEE_TOO_LOW),
    (-32603, "rejected due to 0xab being identified as a spammer", K.POOL_FULL),
    (-32603, "transaction discarded outright due to pool size constraints", K.POOL_FULL),
    (-32603, "transaction's gas limit 31 exceeds block's gas limit 30", K.REFUSED),
    (-32603, "transaction overdraws from account", K.INSUFFICIENT_FUNDS),
    (-32603, "no items in authorization list for EIP7702 transaction", K.REFUSED),
    # erigon, txpoolcfg.DiscardReason.String, in the RPC daemon's envelope
    (-32000, "INTERNAL_ERROR: existing txn with same hash", K.ALREADY_KNOWN),
    (-32000, "INTERNAL_ERROR: existing tx with same hash", K.ALREADY_KNOWN),
    (-32000, "could not replace existing tx", K.FEE_TOO_LOW),
    (-32000, "underpriced", K.FEE_TOO_LOW),
    (-32000, "fee too low", K.FEE_TOO_LOW),
    (-32000, "insufficient funds", K.INSUFFICIENT_FUNDS),
    (-32000, "pending sub-pool is full", K.POOL_FULL),
    (-32000, "baseFee sub-pool is full", K.POOL_FULL),
    (-32000, "spammer", K.POOL_FULL),
    (-32000, "IntrinsicGas", K.REFUSED),
    (-32000, "GasUintOverflow", K.REFUSED),
    (-32000, "RLPTooLong", K.REFUSED),
    (-32000, "initcode too large", K.REFUSED),
    (-32000, "gas limit is too high", K.REFUSED),
    (-32000, "fork supporting this transaction type is not activated yet", K.REFUSED),
    (
        -32000,
        "EIP-7702 transactions with an empty authorization list are invalid",
        K.REFUSED,
    ),
    (-32000, "EIP-7702 transaction with authority already reserved", K.POOL_FULL),
    # nethermind before 2025, AcceptTxResult and TxErrorMessages
    (-32010, "AlreadyKnown", K.ALREADY_KNOWN),
    (-32010, "OwnNonceAlreadyUsed", K.ALREADY_KNOWN),
    (-32010, "OldNonce, Current nonce: 5, nonce of rejected tx: 3", K.NONCE_TOO_LOW),
    (-32010, "NonceGap, Future nonce. Expected nonce: 5", K.NONCE_TOO_HIGH),
    (-32010, "FeeTooLow, EffectivePriorityFeePerGas too low 1 < 2, BaseFee: 7", K.FEE_TOO_LOW),
    (-32010, "FeeTooLowToCompete", K.FEE_TOO_LOW),
    (-32010, "ReplacementNotAllowed", K.FEE_TOO_LOW),
    (-32010, "InsufficientFunds, Account balance: 0, cumulative cost: 1", K.INSUFFICIENT_FUNDS),
    (
        -32010,
        "GasLimitExceeded, Gas limit: 30, gas limit of rejected tx: 31",
        K.REFUSED,
    ),
    (-32010, "IntrinsicGasTooLow: Gas limit is too low.", K.REFUSED),
    (-32010, "InvalidTxSignature: Signature is invalid.", K.REFUSED),
    (-32010, "InvalidTxChainId: Expected 1, got 10.", K.REFUSED),
    (-32010, "InvalidTxType: Transaction type in Cancun is not supported.", K.REFUSED),
    (
        -32010,
        "InvalidMaxPriorityFeePerGas: Cannot be higher than maxFeePerGas.",
        K.REFUSED,
    ),
    (-32010, "SenderIsContract", K.REFUSED),
    (-32010, "FailedToResolveSender", K.REFUSED),
    (-32010, "Int256Overflow", K.REFUSED),
    (-32010, "PendingTxsOfConflictingType", K.POOL_FULL),
    (-32015, "VM execution error.", K.REVERTED),
    # nethermind now, TxPoolErrorMessages
    (-32000, "gas limit reached", K.REFUSED),
    (-32000, "failed to recover sender", K.REFUSED),
    (-32000, "transaction cost overflow", K.REFUSED),
    (-32000, "nonce too far in future", K.NONCE_TOO_HIGH),
    # besu, RpcErrorType
    (-32000, "Known transaction", K.ALREADY_KNOWN),
    (-32000, "Replacement transaction underpriced", K.FEE_TOO_LOW),
    (-32001, "Nonce too low", K.NONCE_TOO_LOW),
    (-32006, "Nonce too high", K.NONCE_TOO_HIGH),
    (-32000, "Transaction nonce is too distant from current sender nonce", K.NONCE_TOO_HIGH),
    (-32009, "Gas price below configured minimum gas price", K.FEE_TOO_LOW),
    (-32009, "Gas price below current base fee", K.FEE_TOO_LOW),
    (-32004, "Upfront cost exceeds account balance", K.INSUFFICIENT_FUNDS),
    (-32003, "Intrinsic gas exceeds gas limit", K.REFUSED),
    (-32005, "Transaction gas limit exceeds block gas limit", K.REFUSED),
    (-32002, "Invalid signature", K.REFUSED),
    (-32602, "Invalid transaction type", K.REFUSED),
    (-32000, "Wrong chainId", K.REFUSED),
    (-32000, "ChainId is required", K.REFUSED),
    (-32000, "Transaction fee cap exceeded", K.REFUSED),
    (-32000, "Max priority fee per gas exceeds max fee per gas", K.REFUSED),
    (-32007, "Sender account not authorized to send transactions", K.REFUSED),
    (-32000, "An invalid transaction with a lower nonce exists", K.POOL_FULL),
    (-32008, "Initial sync is still in progress", K.BEHIND),
    (-32005, "Number of requests exceeds max batch size", K.BATCH_TOO_LARGE),
    (-32005, "Requested range exceeds maximum RPC range limit", K.TOO_MANY_LOGS),
    (-32604, "Method not enabled", K.METHOD_NOT_FOUND),
    # Cosmos EVM and ethermint, ante/evm: increment_sequence, utils.CheckSenderBalance, fees
    (-32000, "tx already in mempool", K.ALREADY_KNOWN),
    (-32000, "tx already exists in cache", K.ALREADY_KNOWN),
    (
        -32000,
        "rpc error: code = Unknown desc = invalid nonce; got 3, expected 5: invalid sequence: "
        "invalid sequence",
        K.NONCE_TOO_LOW,
    ),
    (-32000, "invalid nonce; got 9, expected 5: invalid sequence", K.NONCE_TOO_HIGH),
    (
        -32000,
        "invalid nonce; got 3, should be expected 5 or higher with pending txs in the same block",
        K.NONCE_TOO_LOW,
    ),
    (
        -32000,
        "tx nonce: 9, account accountNonce: 5: tx nonce is higher than account nonce",
        K.NONCE_TOO_HIGH,
    ),
    (-32000, "provided fee < minimum global fee: insufficient fee", K.FEE_TOO_LOW),
    (
        -32000,
        "failed to check sender balance: sender balance < tx cost (0 < 21000): insufficient funds",
        K.INSUFFICIENT_FUNDS,
    ),
    # CometBFT, mempool/errors.go
    (
        -32000,
        "mempool is full: number of txs 5000 (max: 5000), total txs bytes 1 (max: 2)",
        K.POOL_FULL,
    ),
    (-32000, "Tx too large. Max size is 1048576, but got 2000000", K.REFUSED),
    # Arbitrum and Mantle: a node in front of a sequencer
    (-32000, "sequencer pending tx pool full, please try again", K.POOL_FULL),
    (
        -32000,
        "failed to forward tx to sequencer, please try again. Error message: 'nonce too low'",
        K.NONCE_TOO_LOW,
    ),
    (-32000, 'failed to forward tx to sequencer: Post "https://seq": EOF', K.OTHER),
    # py-evm behind the Devnet, and hardhat
    (
        -32000,
        "invalid sender: invalid chain id for signer: have 1 want 31337",
        K.REFUSED,
    ),
    (-32603, "Error: VM Exception: reverted with reason string 'nope'", K.REVERTED),
    (-32000, "Nonce already used", K.NONCE_TOO_LOW),
    # parity and openethereum, rpc/src/v1/helpers/errors.rs
    (-32010, "Transaction nonce is too low. Try incrementing the nonce.", K.NONCE_TOO_LOW),
    (
        -32010,
        "Transaction gas price 1 is too low. There is another transaction with same nonce in the "
        "queue. Try increasing the gas price or incrementing the nonce.",
        K.FEE_TOO_LOW,
    ),
    (-32010, "Transaction with the same hash was already imported.", K.ALREADY_KNOWN),
    # Alchemy
    (
        429,
        "Your app has exceeded its compute units per second capacity. If you have retries "
        "enabled, you can safely ignore this message.",
        K.RATE_LIMITED,
    ),
    # Infura
    (-32005, "project ID request rate exceeded", K.RATE_LIMITED),
    (-32005, "daily request count exceeded, request rate limited", K.RATE_LIMITED),
    (-32005, "query returned more than 10000 results", K.TOO_MANY_LOGS),
    # QuickNode
    (
        -32007,
        "50/second request limit reached - reduce calls per second or upgrade your account",
        K.RATE_LIMITED,
    ),
    (-32012, "credits limited to 6000/sec", K.RATE_LIMITED),
    # others: public Base endpoints, Chainstack, EIP-1474
    (-32016, "over rate limit", K.RATE_LIMITED),
    (-32005, "You've exceeded the RPS limit available on the current plan.", K.RATE_LIMITED),
    (-32005, "limit exceeded", K.RATE_LIMITED),
    (-32005, "please slow down", K.RATE_LIMITED),
    (-32602, "block range is too large, max is 1000", K.TOO_MANY_LOGS),
    (-32000, "block range extends beyond current head block", K.BEHIND),
    # what is written by a contract, or by nobody we know, decides nothing
    (-32000, "execution reverted: already known", K.REVERTED),
    (-32000, "execution reverted: nonce too low", K.REVERTED),
    (-32603, "Internal error", K.OTHER),
    (-32000, "upstream request timeout", K.OTHER),
    (None, "", K.OTHER),
]


@pytest.mark.parametrize(("code", "message", "kind"), WORDINGS)
def test_every_wording_is_understood(code: int | None, message: str, kind: FaultKind) -> None:
    assert Fault(code, message).kind is kind


@pytest.mark.parametrize("message", [row[1] for row in WORDINGS if row[2] is K.REFUSED])
def test_every_refusal_says_what_to_do(message: str) -> None:
    error = Fault(-32000, message).to_error()
    assert type(error) is TransactionError
    assert error.hint
    assert not error.retryable


def test_only_a_refusal_that_is_understood_proves_that_nothing_was_taken() -> None:
    proving = {kind for _, _, kind in WORDINGS if Fault(*_an_example(kind)).refuses_transaction}
    assert proving == {
        K.NONCE_TOO_LOW,
        K.NONCE_TOO_HIGH,
        K.FEE_TOO_LOW,
        K.INSUFFICIENT_FUNDS,
        K.REVERTED,
        K.REFUSED,
    }


def test_no_refusal_proves_anything_about_an_earlier_try() -> None:
    fault = Fault(-32000, "insufficient funds", after_lost_answer=True)
    assert not fault.refuses_transaction


def _an_example(kind: FaultKind) -> tuple[int | None, str]:
    return next((code, message) for code, message, one in WORDINGS if one is kind)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("nonce too low", NonceError),
        ("NonceGap", NonceError),
        ("replacement transaction underpriced", FeeTooLowError),
        ("insufficient funds for transfer", InsufficientFundsError),
        ("execution reverted", RevertedError),
        ("exceeds block gas limit", TransactionError),
        ("txpool is full", RpcError),
        ("something else", RpcError),
    ],
)
def test_each_kind_is_one_exception_with_the_nodes_words(
    message: str, expected: type[Exception]
) -> None:
    error = Fault(-32000, message, url="https://node.example").to_error()
    assert type(error) is expected
    assert message in str(error) or expected is RevertedError


def test_an_rpc_error_keeps_code_data_and_endpoint() -> None:
    error = Fault(-32601, "Method not found", {"why": 1}, "https://node.example").to_error()
    assert isinstance(error, RpcError)
    assert (error.code, error.data, error.url) == (-32601, {"why": 1}, "https://node.example")


def test_a_reason_in_words_only_is_kept() -> None:
    error = Fault(-32000, "execution reverted: TRANSFER_FROM_FAILED").to_error()
    assert isinstance(error, RevertedError)
    assert error.reason == "TRANSFER_FROM_FAILED"
    hardhat = Fault(-32603, "VM Exception: reverted with reason string 'nope'").to_error()
    assert isinstance(hardhat, RevertedError)
    assert hardhat.reason == "nope"
    silent = Fault(3, "execution reverted").to_error()
    assert isinstance(silent, RevertedError)
    assert silent.reason == "no reason given"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("0x756688fe", "756688fe"),
        ("Reverted 0x756688fe", "756688fe"),
        ({"data": "0x756688fe"}, "756688fe"),
        ({"data": {"result": "0x756688fe"}}, "756688fe"),
        ({"message": "no hex here"}, ""),
        ("0x", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_revert_data_is_found_wherever_a_node_puts_it(data: object, expected: str) -> None:
    assert revert_data(data).hex() == expected


@pytest.mark.parametrize("odd", ["text", 5, None, [1], {"code": "x"}, {}])
def test_an_odd_error_member_is_still_an_error(odd: object) -> None:
    error = Fault.from_json(odd, "https://node.example").to_error()
    assert isinstance(error, RpcError)
    assert error.code is None
