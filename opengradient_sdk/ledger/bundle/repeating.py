"""The claims of a bundle, repeated against one endpoint: is it so on the chain that it shows?

Each question returns where it was seen, or raises ``ContradictionError`` with what is there
instead. An endpoint that cannot answer raises a ``ChainError``, which says nothing about the claim.
Whether the block can still be taken back is a question of its own (``finality``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from ...chain.abi import AbiError
from ...chain.blocks import Block, BlockRef
from ...chain.contracts import ExactProxy, Permit2, TeeRegistry, UptoProxy
from ...chain.contracts.erc20 import TRANSFER_EVENT
from ...chain.contracts.events import decode_logs
from ...chain.contracts.permit2 import UNORDERED_NONCE_INVALIDATION
from ...chain.contracts.settlement_relay import (
    BATCH_SETTLEMENT,
    INDIVIDUAL_SETTLEMENT,
    BatchSettlement,
    IndividualSettlement,
)
from ...chain.rpc import Rpc
from ...errors import RpcError
from ...network.records import NodeRecord
from ...profiles import Profile
from ...types import Address, Bytes32, Log, TxReceipt
from .answer import signature_bytes
from .form import (
    AuthorizationPart,
    DataProofPart,
    NotChargedPart,
    PaymentPart,
    RegistryPart,
    StatementPart,
)

T = TypeVar("T")


class ContradictionError(Exception):
    """The chain shows something else than the bundle claims; the text says what."""


class Seen(NamedTuple):
    """Where an endpoint shows what is claimed: in words, and the number of the block."""

    where: str
    block: int


async def registry_listed(rpc: Rpc, said: RegistryPart, tee_id: Bytes32) -> Seen:
    """Return if the registry held exactly this record, as active, as of the claimed block."""
    block = await _claimed_block(rpc, said.block_number, said.block_hash, said.block_timestamp)
    registry = TeeRegistry(rpc, Address(said.registry))
    info = await _as_of(rpc, block, lambda at: registry.find_tee(tee_id, block=at))
    if info is None:
        raise ContradictionError(f"the registry has no node {tee_id} at block {block.number}")
    try:
        held = NodeRecord.from_info(info).to_json()
    except ValueError as error:
        raise ContradictionError(f"the registry's record of the node: {error}") from error
    claimed = said.record.model_dump()
    for name, value in held.items():
        if (value.lower() if isinstance(value, Address) else value) != claimed[name]:
            raise ContradictionError(f"the registry's record has another {name}")
    if not await _as_of(rpc, block, lambda at: registry.is_tee_active(tee_id, block=at)):
        raise ContradictionError(f"the node was not active at block {block.number}")
    return Seen(f"block {block.number} ({block.hash})", block.number)


async def payment_moved(rpc: Rpc, said: PaymentPart, profile: Profile) -> Seen:
    """Return if the transaction of the claim did to this authorization what the claim says."""
    status, signed = said.status, said.authorization
    if status.proof is not None:
        return await _nonce_unused(rpc, status.proof, signed, profile)
    assert status.transaction is not None
    receipt = await _mined(rpc, status.transaction, status.block_number, status.block_hash)
    if status.state == "cancelled":
        _require_burnt(receipt, signed, profile)
    else:
        await _require_settled(rpc, receipt, said, profile)
    where = f"transaction {receipt.hash} in block {receipt.block_number}"
    return Seen(where, receipt.block_number)


async def hashes_settled(rpc: Rpc, said: DataProofPart, statement: StatementPart | None) -> Seen:
    """Return if the relay's event is there, with this root or this very statement."""
    receipt = await _mined(rpc, said.transaction, said.block_number, said.block_hash)
    await _claimed_block(rpc, said.block_number, said.block_hash, said.block_timestamp)
    log = next((log for log in receipt.logs if log.index == said.log_index), None)
    if log is None or log.address.lower() != said.relay:
        raise ContradictionError(f"the relay wrote no event {said.log_index} in that transaction")
    if not _tells(log, said, statement):
        raise ContradictionError("the relay's event is of other hashes")
    where = f"event {log.index} of {receipt.hash} in block {receipt.block_number}"
    return Seen(where, receipt.block_number)


def _tells(log: Log, said: DataProofPart, statement: StatementPart | None) -> bool:
    for event in decode_logs([log], BATCH_SETTLEMENT, INDIVIDUAL_SETTLEMENT):
        match event:
            case BatchSettlement(root, size, blob_id) if said.mode == "batch":
                claimed = said.merkle_root, said.batch_size, said.blob_id.encode()
                return (str(root), size, blob_id) == claimed
            case IndividualSettlement() if said.mode == "individual" and statement is not None:
                hashes = event.tee_id, event.input_hash, event.output_hash
                signed = statement.tee_id, statement.request_hash, statement.output_hash
                return (
                    tuple(map(str, hashes)) == signed
                    and event.timestamp == statement.timestamp
                    and event.signature == signature_bytes(statement)
                    and event.blob_id == said.blob_id.encode()
                )
            case _:
                return False
    return False


async def _require_settled(
    rpc: Rpc, receipt: TxReceipt, said: PaymentPart, profile: Profile
) -> None:
    signed, amount = said.authorization, int(said.status.amount or 0)
    transaction = await rpc.get_transaction(receipt.hash)
    if transaction is None or transaction.to is None or transaction.to.lower() != signed.spender:
        raise ContradictionError("that transaction settles nothing")
    is_exact = transaction.to == profile.exact_proxy
    decode = ExactProxy.decode_settle if is_exact else UptoProxy.decode_settle
    try:
        call = decode(transaction.data)
    except AbiError:
        raise ContradictionError("that transaction settles nothing") from None
    asked = call.owner.lower(), call.nonce, call.token.lower(), call.to.lower(), call.amount
    claimed = signed.owner, int(signed.nonce), signed.asset, signed.recipient, amount
    if asked != claimed:
        raise ContradictionError("that transaction settles another authorization or amount")
    of_token = (log for log in receipt.logs if log.address.lower() == signed.asset)
    parties = Address(signed.owner), Address(signed.recipient), amount
    moved = decode_logs(of_token, TRANSFER_EVENT)
    if parties not in [(one.sender, one.recipient, one.amount) for one in moved]:
        raise ContradictionError(f"that transaction did not move {amount} atoms to the recipient")


def _require_burnt(receipt: TxReceipt, signed: AuthorizationPart, profile: Profile) -> None:
    of_permit2 = (log for log in receipt.logs if log.address == profile.permit2)
    burnt = decode_logs(of_permit2, UNORDERED_NONCE_INVALIDATION)
    owner, nonce = Address(signed.owner), int(signed.nonce)
    if not any(one.owner == owner and one.covers(nonce) for one in burnt):
        raise ContradictionError("that transaction does not cancel this authorization")


async def _nonce_unused(
    rpc: Rpc, proof: NotChargedPart, signed: AuthorizationPart, profile: Profile
) -> Seen:
    block = await _claimed_block(rpc, proof.block_number, proof.block_hash, proof.block_timestamp)
    permit2, owner = Permit2(rpc, profile.permit2), Address(signed.owner)
    word, bit = int(signed.nonce) >> 8, int(signed.nonce) & 0xFF
    bitmap = await _as_of(rpc, block, lambda at: permit2.nonce_bitmap(owner, word, block=at))
    if bitmap >> bit & 1:
        raise ContradictionError(f"the nonce was used at block {block.number}")
    return Seen(f"block {block.number} ({block.hash}), after the deadline", block.number)


async def _claimed_block(rpc: Rpc, number: int, block_hash: str, timestamp: int | None) -> Block:
    block = await rpc.get_block(number)
    if str(block.hash) != block_hash:
        raise ContradictionError(f"block {number} is {block.hash}, not {block_hash}")
    if timestamp is not None and block.timestamp != timestamp:
        raise ContradictionError(f"block {number} is of {block.timestamp}, not {timestamp}")
    return block


async def _mined(rpc: Rpc, transaction: str, number: int | None, block: str | None) -> TxReceipt:
    """Return the receipt of a transaction that succeeded where the claim says."""
    receipt = await rpc.get_receipt(Bytes32(transaction))
    if receipt is None or not receipt.succeeded or str(receipt.hash) != transaction:
        raise ContradictionError(f"no transaction {transaction} has succeeded on that chain")
    if number not in (None, receipt.block_number):
        raise ContradictionError(f"the transaction is in block {receipt.block_number}")
    if block not in (None, str(receipt.block_hash)):
        raise ContradictionError(f"the transaction is in block {receipt.block_hash}")
    # the receipt may be of a block that a reorg has taken out of the chain
    await _claimed_block(rpc, receipt.block_number, str(receipt.block_hash), None)
    return receipt


async def _as_of(rpc: Rpc, block: Block, ask: Callable[[BlockRef], Awaitable[T]]) -> T:
    """Return the answer as of a block's hash, by its number where an endpoint takes no hash."""
    try:
        return await ask(block.hash)
    except RpcError as error:
        if error.code is None:
            raise
    answer = await ask(block.number)
    await _claimed_block(rpc, block.number, str(block.hash), block.timestamp)
    return answer
