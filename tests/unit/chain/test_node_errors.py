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
)

K = FaultKind

WORDINGS = [
    # geth and erigon
    (-32000, "already known", K.ALREADY_KNOWN),
    (-32000, "INTERNAL_ERROR: existing tx with same hash", K.ALREADY_KNOWN),
    (-32000, "nonce too low: next nonce 5, tx nonce 3", K.NONCE_TOO_LOW),
    (-32000, "nonce too high: address 0xabc, tx: 9 state: 3", K.NONCE_TOO_HIGH),
    (-32000, "replacement transaction underpriced", K.FEE_TOO_LOW),
    (-32000, "transaction underpriced: tip needed 1, tip permitted 0", K.FEE_TOO_LOW),
    (-32000, "INTERNAL_ERROR: could not replace existing tx", K.FEE_TOO_LOW),
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
    (3, "execution reverted: ERC20: transfer amount exceeds balance", K.REVERTED),
    (-32000, "execution reverted", K.REVERTED),
    (-32000, "header not found", K.BEHIND),
    (-32000, "missing trie node 0123 (path )", K.BEHIND),
    (-32000, "gas required exceeds allowance (0)", K.OTHER),
    (-32000, "exceeds block gas limit", K.OTHER),
    # anvil
    (-32003, "transaction already imported", K.ALREADY_KNOWN),
    (-32003, "nonce too low", K.NONCE_TOO_LOW),
    (-32003, "max fee per gas less than block base fee", K.FEE_TOO_LOW),
    (-32003, "Insufficient funds for gas * price + value", K.INSUFFICIENT_FUNDS),
    (-32000, "intrinsic gas too low", K.OTHER),
    # nethermind
    (-32010, "AlreadyKnown", K.ALREADY_KNOWN),
    (-32010, "OldNonce, Current nonce: 5, nonce of rejected tx: 3", K.NONCE_TOO_LOW),
    (-32010, "NonceGap, Future nonce. Expected nonce: 5", K.NONCE_TOO_HIGH),
    (-32010, "FeeTooLow, EffectivePriorityFeePerGas too low", K.FEE_TOO_LOW),
    (-32010, "ReplacementNotAllowed", K.FEE_TOO_LOW),
    (-32010, "InsufficientFunds, Account balance: 0, cumulative cost: 1", K.INSUFFICIENT_FUNDS),
    (-32015, "VM execution error.", K.REVERTED),
    # besu
    (-32000, "Known transaction", K.ALREADY_KNOWN),
    (-32001, "Nonce too low", K.NONCE_TOO_LOW),
    (-32006, "Transaction nonce is too distant from current sender nonce", K.NONCE_TOO_HIGH),
    (-32009, "Gas price below configured minimum gas price", K.FEE_TOO_LOW),
    (-32004, "Upfront cost exceeds account balance", K.INSUFFICIENT_FUNDS),
    # Cosmos EVM
    (-32000, "tx already in mempool", K.ALREADY_KNOWN),
    (
        -32000,
        "rpc error: code = Unknown desc = invalid nonce; got 3, expected 5: invalid sequence: "
        "invalid sequence",
        K.NONCE_TOO_LOW,
    ),
    (-32000, "invalid nonce; got 9, expected 5: invalid sequence", K.NONCE_TOO_HIGH),
    (-32000, "provided fee < minimum global fee: insufficient fee", K.FEE_TOO_LOW),
    (
        -32000,
        "failed to check sender balance: sender balance < tx cost (0 < 21000): insufficient funds",
        K.INSUFFICIENT_FUNDS,
    ),
    # py-evm behind the Devnet, hardhat, and hosted endpoints
    (-32603, "Error: VM Exception: reverted with reason string 'nope'", K.REVERTED),
    (-32000, "Nonce already used", K.NONCE_TOO_LOW),
    (-32016, "over rate limit", K.RATE_LIMITED),
    (-32005, "daily request count exceeded, request rate limited", K.RATE_LIMITED),
    (-32005, "please slow down", K.RATE_LIMITED),
    (-32005, "query returned more than 10000 results", K.TOO_MANY_LOGS),
    (-32602, "block range is too large, max is 1000", K.TOO_MANY_LOGS),
    (-32601, "Method not found", K.OTHER),
]


@pytest.mark.parametrize(("code", "message", "kind"), WORDINGS)
def test_every_wording_is_understood(code: int, message: str, kind: FaultKind) -> None:
    assert Fault(code, message).kind is kind


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("nonce too low", NonceError),
        ("NonceGap", NonceError),
        ("replacement transaction underpriced", FeeTooLowError),
        ("insufficient funds for transfer", InsufficientFundsError),
        ("execution reverted", RevertedError),
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
