"""Blocks, transactions, receipts and logs as JSON-RPC shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import rlp  # type: ignore[import-untyped]

from ...types import bytes_to_hex

if TYPE_CHECKING:
    from collections.abc import Callable

    from eth.abc import BlockHeaderAPI, LogAPI, SignedTransactionAPI
    from eth_typing import Address as CanonicalAddress

    from .records import MinedBlock, MinedTransaction

Json = dict[str, object]

_LEGACY: Final = 0
_ACCESS_LIST: Final = 1
_SET_CODE: Final = 4


def block_view(block: MinedBlock, *, full: bool) -> Json:
    """Return a block, with whole transactions or with their hashes only."""
    transactions: list[object] = [
        transaction_view(block, t) if full else bytes_to_hex(t.hash) for t in block.transactions
    ]
    return {
        "hash": bytes_to_hex(block.hash),
        **_header_view(block.header),
        "size": hex(_encoded_size(block)),
        "transactions": transactions,
        "uncles": [],
        "withdrawals": [],
    }


def pending_block_view(header: BlockHeaderAPI) -> Json:
    """Return the block that would be mined now: it has no transactions and no hash yet."""
    empty: Json = {"transactions": [], "uncles": [], "withdrawals": []}
    return {**_header_view(header), "hash": None, "nonce": None, "miner": None, **empty}


def transaction_view(block: MinedBlock, mined: MinedTransaction) -> Json:
    """Return a mined transaction."""
    transaction = mined.transaction
    return {
        "blockHash": bytes_to_hex(block.hash),
        "blockNumber": hex(block.number),
        "transactionIndex": hex(mined.index),
        "hash": bytes_to_hex(mined.hash),
        "from": bytes_to_hex(mined.sender),
        "to": _address_or_null(transaction.to),
        "nonce": hex(transaction.nonce),
        "gas": hex(transaction.gas),
        "gasPrice": hex(mined.effective_gas_price),
        "value": hex(transaction.value),
        "input": bytes_to_hex(transaction.data),
        "type": hex(_type_of(transaction)),
        "r": hex(transaction.r),
        "s": hex(transaction.s),
        **_typed_members(transaction),
    }


def receipt_view(block: MinedBlock, mined: MinedTransaction) -> Json:
    """Return what a mined transaction did."""
    created = mined.contract_address
    return {
        "transactionHash": bytes_to_hex(mined.hash),
        "transactionIndex": hex(mined.index),
        "blockHash": bytes_to_hex(block.hash),
        "blockNumber": hex(block.number),
        "from": bytes_to_hex(mined.sender),
        "to": _address_or_null(mined.transaction.to),
        "contractAddress": None if created is None else bytes_to_hex(created),
        "cumulativeGasUsed": hex(mined.receipt.gas_used),
        "gasUsed": hex(mined.gas_used),
        "effectiveGasPrice": hex(mined.effective_gas_price),
        "status": hex(int(mined.succeeded)),
        "type": hex(_type_of(mined.transaction)),
        "logsBloom": _bloom(mined.receipt.bloom),
        "logs": log_views(block, mined),
    }


def log_views(block: MinedBlock, mined: MinedTransaction) -> list[Json]:
    """Return the event logs of a mined transaction."""
    return [log_view(block, mined, position) for position in range(len(mined.logs))]


def log_view(block: MinedBlock, mined: MinedTransaction, position: int) -> Json:
    """Return the event log at ``position`` among those of its transaction."""
    log = mined.logs[position]
    return {
        "address": bytes_to_hex(log.address),
        "topics": [bytes_to_hex(topic) for topic in log_topics(log)],
        "data": bytes_to_hex(log.data),
        "blockNumber": hex(block.number),
        "blockHash": bytes_to_hex(block.hash),
        "blockTimestamp": hex(block.header.timestamp),
        "transactionHash": bytes_to_hex(mined.hash),
        "transactionIndex": hex(mined.index),
        "logIndex": hex(mined.first_log + position),
        "removed": False,
    }


def log_topics(log: LogAPI) -> list[bytes]:
    """Return the topics of ``log`` as 32-byte words."""
    return [topic.to_bytes(32, "big") for topic in log.topics]


def _encoded_size(block: MinedBlock) -> int:
    encode = cast("Callable[[object], bytes]", rlp.encode)  # pyright: ignore[reportUnknownMemberType]
    return len(encode(block.block))


def _header_view(header: BlockHeaderAPI) -> Json:
    fields = cast("Any", header)  # its Prague members are not in py-evm's abstract header
    return {
        "number": hex(fields.block_number),
        "parentHash": bytes_to_hex(fields.parent_hash),
        "sha3Uncles": bytes_to_hex(fields.uncles_hash),
        "miner": bytes_to_hex(fields.coinbase),
        "stateRoot": bytes_to_hex(fields.state_root),
        "transactionsRoot": bytes_to_hex(fields.transaction_root),
        "receiptsRoot": bytes_to_hex(fields.receipt_root),
        "logsBloom": _bloom(fields.bloom),
        "difficulty": hex(fields.difficulty),
        "gasLimit": hex(fields.gas_limit),
        "gasUsed": hex(fields.gas_used),
        "timestamp": hex(fields.timestamp),
        "extraData": bytes_to_hex(fields.extra_data),
        "mixHash": bytes_to_hex(fields.mix_hash),
        "nonce": bytes_to_hex(fields.nonce),
        "baseFeePerGas": hex(fields.base_fee_per_gas),
        "withdrawalsRoot": bytes_to_hex(fields.withdrawals_root),
        "blobGasUsed": hex(fields.blob_gas_used),
        "excessBlobGas": hex(fields.excess_blob_gas),
        "parentBeaconBlockRoot": bytes_to_hex(fields.parent_beacon_block_root),
        "requestsHash": bytes_to_hex(fields.requests_hash),
    }


def _typed_members(transaction: SignedTransactionAPI) -> Json:
    kind = _type_of(transaction)
    if kind == _LEGACY:
        v = cast("Any", transaction).v
        return {"v": hex(v), "chainId": hex(transaction.chain_id or 0)}
    members: Json = {
        "chainId": hex(transaction.chain_id or 0),
        "v": hex(transaction.y_parity),
        "yParity": hex(transaction.y_parity),
        "accessList": [_access_view(*entry) for entry in transaction.access_list],
    }
    if kind != _ACCESS_LIST:
        members["maxFeePerGas"] = hex(transaction.max_fee_per_gas)
        members["maxPriorityFeePerGas"] = hex(transaction.max_priority_fee_per_gas)
    if kind == _SET_CODE:
        members["authorizationList"] = [
            _authorization_view(entry) for entry in transaction.authorization_list
        ]
    return members


def _access_view(account: CanonicalAddress, slots: Any) -> Json:  # noqa: ANN401 - rlp's own lists
    keys = [bytes_to_hex(int(slot).to_bytes(32, "big")) for slot in slots]
    return {"address": bytes_to_hex(account), "storageKeys": keys}


def _authorization_view(entry: Any) -> Json:  # noqa: ANN401 - py-evm's abstract class is empty
    return {
        "chainId": hex(entry.chain_id),
        "address": bytes_to_hex(entry.address),
        "nonce": hex(entry.nonce),
        "yParity": hex(entry.y_parity),
        "r": hex(entry.r),
        "s": hex(entry.s),
    }


def _type_of(transaction: SignedTransactionAPI) -> int:
    return transaction.type_id or _LEGACY


def _address_or_null(value: bytes) -> str | None:
    return bytes_to_hex(value) if value else None


def _bloom(value: int) -> str:
    return f"0x{value:0512x}"
