"""Blocks, transactions and logs as nodes write them."""

from __future__ import annotations

from typing import Any

import pytest

from opengradient_sdk.chain import blocks
from opengradient_sdk.types import Address, Bytes32

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
HASH, PARENT = "0x" + "aa" * 32, "0x" + "bb" * 32
BLOCK: dict[str, Any] = {
    "number": "0x10",
    "hash": HASH,
    "parentHash": PARENT,
    "timestamp": "0x65",
    "baseFeePerGas": "0x7",
    "gasLimit": "0x1c9c380",
}
TRANSACTION: dict[str, Any] = {
    "hash": HASH,
    "from": ALICE.lower(),
    "to": None,
    "nonce": "0x1",
    "value": "0x2",
    "input": "0x03",
    "gas": "0x5208",
    "gasPrice": "0x9",
    "blockNumber": None,
    "blockHash": None,
}
LOG: dict[str, Any] = {
    "address": ALICE,
    "topics": [PARENT],
    "data": "0x",
    "blockNumber": "0x10",
    "blockHash": HASH,
    "transactionHash": HASH,
    "logIndex": "0x3",
}

RECEIPT: dict[str, Any] = {
    "transactionHash": HASH,
    "blockNumber": "0x10",
    "blockHash": HASH,
    "from": ALICE,
    "to": ALICE,
    "contractAddress": None,
    "status": "0x1",
    "gasUsed": "0x5208",
    "effectiveGasPrice": "0x9",
    "logs": [LOG],
    "l1Fee": "0x4",
}


def test_a_block_says_what_it_builds_on_and_what_it_holds() -> None:
    assert blocks.block(BLOCK) == blocks.Block(
        16, Bytes32(HASH), 101, base_fee=7, gas_limit=30_000_000, parent_hash=Bytes32(PARENT)
    )


def test_a_block_from_before_the_base_fee_has_none() -> None:
    older = {name: BLOCK[name] for name in ("number", "hash", "timestamp")}
    assert blocks.block(older) == blocks.Block(16, Bytes32(HASH), 101)


@pytest.mark.parametrize(
    "broken",
    [{"hash": None}, {"hash": "0x01"}, {"gasLimit": 5}, {"parentHash": "0x"}, {"number": "0x"}],
)
def test_a_block_with_a_broken_field_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"not |needed"):
        blocks.block({**BLOCK, **broken})


@pytest.mark.parametrize(
    ("fields", "kind", "cap", "tip"),
    [
        ({}, 0, 9, 9),
        ({"type": "0x1"}, 1, 9, 9),
        ({"type": "0x2", "maxFeePerGas": "0x14", "maxPriorityFeePerGas": "0x1"}, 2, 20, 1),
        ({"type": "0x4", "maxFeePerGas": "0x14", "maxPriorityFeePerGas": "0x0"}, 4, 20, 0),
        ({"type": "0x7e", "gasPrice": "0x0"}, 0x7E, 0, 0),  # a deposit of an OP-stack chain
    ],
)
def test_a_transaction_has_its_type_and_fees(
    fields: dict[str, Any], kind: int, cap: int, tip: int
) -> None:
    read = blocks.transaction({**TRANSACTION, **fields})
    assert read is not None
    assert (read.type, read.max_fee_per_gas, read.max_priority_fee_per_gas) == (kind, cap, tip)
    assert (read.sender, read.to, read.nonce) == (Address(ALICE), None, 1)
    assert (read.gas, read.value, read.data, read.block_number) == (21_000, 2, b"\x03", None)


def test_a_transaction_that_a_node_does_not_know_is_none() -> None:
    assert blocks.transaction(None) is None


def test_a_receipt_says_what_it_cost_on_both_chains() -> None:
    read = blocks.receipt(RECEIPT)
    assert read is not None
    assert (read.succeeded, read.l1_fee) == (True, 4)
    assert read.fee.atoms == 21_000 * 9 + 4
    assert read.logs == blocks.logs([LOG])


def test_a_receipt_of_a_pending_transaction_is_none_yet() -> None:
    assert blocks.receipt(None) is None
    assert blocks.receipt({**RECEIPT, "blockHash": None}) is None


def test_a_block_is_asked_for_by_tag_number_or_hash() -> None:
    assert blocks.block_parameter("safe") == "safe"
    assert blocks.block_parameter(16) == "0x10"
    assert blocks.block_parameter(Bytes32(HASH)) == {"blockHash": HASH}


def test_a_log_says_which_block_it_is_of() -> None:
    (log,) = blocks.logs([LOG])
    assert (log.block_number, log.block_hash, log.index) == (16, Bytes32(HASH), 3)
    assert log.topics == (Bytes32(PARENT),)
