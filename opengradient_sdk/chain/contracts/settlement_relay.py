"""The relay that records on chain which inferences were settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from ...types import Address, Bytes32, Log
from ..abi import Event, Function
from ..blocks import BlockRef
from .base import Contract

VERIFY_PROOF: Final = Function("verifyProof(bytes32[] proof, bytes32 root, bytes32 leaf)", "bool")
SETTLEMENT_CONTRACT: Final = Function("SETTLEMENT_CONTRACT()", "address")
BATCH_SETTLEMENT: Final = Event(
    "BatchSettlement(bytes32 indexed merkle_root, uint256 batch_size, bytes blob_id)"
)
INDIVIDUAL_SETTLEMENT: Final = Event(
    "IndividualSettlement(bytes32 indexed tee_id, address indexed eth_address, bytes32 input_hash,"
    "bytes32 output_hash, uint256 timestamp, bytes blob_id, bytes signature)"
)


@dataclass(frozen=True, slots=True)
class BatchSettlement:
    """A Merkle batch as the facilitator states it; the contract checks nothing of it.

    ``blob_id`` is the UTF-8 text of the storage blob's id.
    """

    merkle_root: Bytes32
    batch_size: int
    blob_id: bytes

    @classmethod
    def from_log(cls, log: Log) -> Self:
        """Return the batch that ``log`` records.

        Raises:
            AbiError: Not a BatchSettlement log.
        """
        return cls(**BATCH_SETTLEMENT.decode(log))


@dataclass(frozen=True, slots=True)
class IndividualSettlement:
    """One inference whose signature the contract has checked; ``timestamp`` is in Unix seconds."""

    tee_id: Bytes32
    eth_address: Address
    input_hash: Bytes32
    output_hash: Bytes32
    timestamp: int
    blob_id: bytes
    signature: bytes = field(repr=False)

    @classmethod
    def from_log(cls, log: Log) -> Self:
        """Return the settlement that ``log`` records.

        Raises:
            AbiError: Not an IndividualSettlement log.
        """
        return cls(**INDIVIDUAL_SETTLEMENT.decode(log))


class SettlementRelay(Contract):
    """The InferenceSettlementRelay contract, read side."""

    async def is_proof_valid(
        self,
        proof: Sequence[Bytes32],
        root: Bytes32,
        leaf: Bytes32,
        *,
        block: BlockRef = "latest",
    ) -> bool:
        """Whether ``proof`` leads from ``leaf`` to ``root`` (not whether that root was settled)."""
        (valid,) = await self._read(VERIFY_PROOF, tuple(proof), root, leaf, block=block)
        return bool(valid)

    async def settlement_contract(self, *, block: BlockRef = "latest") -> Address:
        """Return the verifier that individual settlements are checked by."""
        (address,) = await self._read(SETTLEMENT_CONTRACT, block=block)
        return Address(address)
