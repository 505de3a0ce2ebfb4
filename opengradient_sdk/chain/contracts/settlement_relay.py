"""The relay that records on chain which inferences were settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ...types import Address, Bytes32, TxRequest
from ..abi import Function
from ..blocks import BlockRef
from .access_control import AccessControl
from .base import Read
from .events import Event

VERIFY_PROOF: Final = Function("verifyProof(bytes32[] proof, bytes32 root, bytes32 leaf)", "bool")
SETTLEMENT_CONTRACT: Final = Function("SETTLEMENT_CONTRACT()", "address")
SETTLEMENT_RELAY_ROLE: Final = Function("SETTLEMENT_RELAY_ROLE()", "bytes32")
BATCH_SETTLE: Final = Function("batchSettle(bytes32 merkleRoot, uint256 batchSize, bytes blobId)")
SETTLE_INDIVIDUAL: Final = Function(
    "settleIndividual(bytes32 teeId, bytes32 inputHash, bytes32 outputHash, uint256 timestamp,"
    "address ethAddress, bytes blobId, bytes signature)"
)


@dataclass(frozen=True, slots=True)
class BatchSettlement:
    """A Merkle batch as the facilitator states it; the contract checks nothing of it.

    ``blob_id`` is the UTF-8 text of the storage blob's id.
    """

    merkle_root: Bytes32
    batch_size: int
    blob_id: bytes


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


BATCH_SETTLEMENT: Final = Event(
    "BatchSettlement(bytes32 indexed merkle_root, uint256 batch_size, bytes blob_id)",
    BatchSettlement,
)
INDIVIDUAL_SETTLEMENT: Final = Event(
    "IndividualSettlement(bytes32 indexed tee_id, address indexed eth_address, bytes32 input_hash,"
    "bytes32 output_hash, uint256 timestamp, bytes blob_id, bytes signature)",
    IndividualSettlement,
)


class SettlementRelay(AccessControl):
    """The InferenceSettlementRelay contract. Holders of its relay role write to it."""

    BATCH_SETTLEMENT: Final = BATCH_SETTLEMENT
    INDIVIDUAL_SETTLEMENT: Final = INDIVIDUAL_SETTLEMENT

    def is_proof_valid(
        self,
        proof: Sequence[Bytes32],
        root: Bytes32,
        leaf: Bytes32,
        *,
        block: BlockRef = "latest",
    ) -> Read[bool]:
        """Whether ``proof`` leads from ``leaf`` to ``root`` (not whether that root was settled)."""
        return self._read(VERIFY_PROOF, tuple(proof), root, leaf, into=bool, block=block)

    def settlement_contract(self, *, block: BlockRef = "latest") -> Read[Address]:
        """Return the verifier that individual settlements are checked by."""
        return self._read(SETTLEMENT_CONTRACT, into=Address, block=block)

    def relay_role(self, *, block: BlockRef = "latest") -> Read[Bytes32]:
        """Return the role that the two writes need."""
        return self._read(SETTLEMENT_RELAY_ROLE, into=Bytes32, block=block)

    def batch_settle(self, batch: BatchSettlement) -> TxRequest:
        """Return the transaction that states ``batch``."""
        return self._transaction(BATCH_SETTLE, batch.merkle_root, batch.batch_size, batch.blob_id)

    def settle_individual(self, settlement: IndividualSettlement) -> TxRequest:
        """Return the transaction that settles one inference.

        It reverts when the verifier does not accept the signature.
        """
        s = settlement
        return self._transaction(
            SETTLE_INDIVIDUAL,
            s.tee_id, s.input_hash, s.output_hash, s.timestamp, s.eth_address, s.blob_id,
            s.signature,
        )  # fmt: skip
