"""The on-chain registry of attested nodes, read side and heartbeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from ...errors import ChainError
from ...types import Bytes32, Log, TxRequest
from ..abi import AbiError, Event, Function
from ..blocks import BlockRef
from .base import Contract
from .tee_info import (
    GET_TEE,
    LLM_PROXY,
    Layout,
    TeeInfo,
    decode_active_tees,
    decode_tee,
    encode_active_tees,
)

IS_TEE_ACTIVE: Final = Function("isTEEActive(bytes32 teeId)", "bool")
IS_TEE_ENABLED: Final = Function("isTEEEnabled(bytes32 teeId)", "bool")
GET_TEE_PUBLIC_KEY: Final = Function("getTEEPublicKey(bytes32 teeId)", "bytes")
GET_TEES_BY_TYPE: Final = Function("getTEEsByType(uint8 teeType)", "bytes32[]")
IS_PCR_APPROVED: Final = Function("isPCRApproved(uint8 teeType, bytes32 pcrHash)", "bool")
PCR_RECORDS: Final = Function(
    "pcrRecords(uint8 teeType, bytes32 pcrHash)", "bool, uint8, uint256, string"
)
GET_APPROVED_PCRS: Final = Function("getApprovedPCRs()", "(bytes32 pcrHash, uint8 teeType)[]")
HEARTBEAT_MAX_AGE: Final = Function("heartbeatMaxAge()", "uint256")
HEARTBEAT: Final = Function("heartbeat(bytes32 teeId, uint256 timestamp, bytes signature)")

TEE_REGISTERED: Final = Event(
    "TEERegistered(bytes32 indexed tee_id, address indexed owner, uint8 tee_type)"
)
TEE_ENABLED: Final = Event("TEEEnabled(bytes32 indexed tee_id)")
TEE_DISABLED: Final = Event("TEEDisabled(bytes32 indexed tee_id)")
PCR_APPROVED: Final = Event(
    "PCRApproved(bytes32 indexed pcr_hash, uint8 indexed tee_type, string version)"
)
PCR_REVOKED: Final = Event("PCRRevoked(bytes32 indexed pcr_hash, uint8 indexed tee_type)")
TEE_TYPE_ADDED: Final = Event("TEETypeAdded(uint8 indexed tee_type, string name)")
AWS_CERTIFICATE_UPDATED: Final = Event("AWSCertificateUpdated(bytes32 indexed cert_hash)")
HEARTBEAT_RECEIVED: Final = Event("HeartbeatReceived(bytes32 indexed tee_id, uint256 timestamp)")


@dataclass(frozen=True, slots=True)
class PcrKey:
    """A build (hash over PCR0, PCR1 and PCR2) that is approved for a node type."""

    pcr_hash: Bytes32
    tee_type: int


@dataclass(frozen=True, slots=True)
class ApprovedPcr:
    """What the registry knows of a build; ``approved_at`` is in Unix seconds of the chain."""

    approved: bool
    tee_type: int
    approved_at: int
    version: str


@dataclass(frozen=True, slots=True)
class HeartbeatReceived:
    """A ``HeartbeatReceived`` log; ``timestamp`` is in Unix seconds."""

    tee_id: Bytes32
    timestamp: int

    @classmethod
    def from_log(cls, log: Log) -> Self:
        """Return the heartbeat that ``log`` records.

        Raises:
            AbiError: Not a HeartbeatReceived log.
        """
        return cls(**HEARTBEAT_RECEIVED.decode(log))


class TeeRegistry(Contract):
    """The TEERegistry contract; the July and the April layout are both understood."""

    async def active_tees(
        self, tee_type: int = LLM_PROXY, *, block: BlockRef = "latest"
    ) -> tuple[Layout, tuple[TeeInfo, ...]]:
        """Return the enabled nodes with an approved build and a fresh heartbeat."""
        data = await self._rpc.eth_call(self.address, encode_active_tees(tee_type), block)
        try:
            return decode_active_tees(data)
        except AbiError as error:
            raise self._strange(error) from error

    async def tee(self, tee_id: Bytes32, *, block: BlockRef = "latest") -> TeeInfo:
        """Return one node's record, active or not.

        Raises:
            RevertedError: No such node (``TEENotFound``).
        """
        data = await self._rpc.eth_call(self.address, GET_TEE.encode(tee_id), block)
        try:
            return decode_tee(data)
        except AbiError as error:
            raise self._strange(error) from error

    async def tee_ids(
        self, tee_type: int = LLM_PROXY, *, block: BlockRef = "latest"
    ) -> tuple[Bytes32, ...]:
        """Return the ids of all nodes ever registered for a type."""
        (ids,) = await self._read(GET_TEES_BY_TYPE, tee_type, block=block)
        return tuple(ids)

    async def is_tee_active(self, tee_id: Bytes32, *, block: BlockRef = "latest") -> bool:
        """Whether a node is enabled, its build approved and its heartbeat fresh."""
        (active,) = await self._read(IS_TEE_ACTIVE, tee_id, block=block)
        return bool(active)

    async def is_tee_enabled(self, tee_id: Bytes32, *, block: BlockRef = "latest") -> bool:
        """Whether a node is enabled, whatever its heartbeat says."""
        (enabled,) = await self._read(IS_TEE_ENABLED, tee_id, block=block)
        return bool(enabled)

    async def tee_public_key(self, tee_id: Bytes32, *, block: BlockRef = "latest") -> bytes:
        """Return a node's RSA key (DER); disabled nodes keep theirs."""
        (key,) = await self._read(GET_TEE_PUBLIC_KEY, tee_id, block=block)
        return bytes(key)

    async def is_pcr_approved(
        self, tee_type: int, pcr_hash: Bytes32, *, block: BlockRef = "latest"
    ) -> bool:
        """Whether a build is approved for a node type now."""
        (approved,) = await self._read(IS_PCR_APPROVED, tee_type, pcr_hash, block=block)
        return bool(approved)

    async def pcr_record(
        self, tee_type: int, pcr_hash: Bytes32, *, block: BlockRef = "latest"
    ) -> ApprovedPcr:
        """Return what the registry knows of a build; all zero where it knows nothing."""
        return ApprovedPcr(*await self._read(PCR_RECORDS, tee_type, pcr_hash, block=block))

    async def approved_pcrs(self, *, block: BlockRef = "latest") -> tuple[PcrKey, ...]:
        """Return the builds that are approved now."""
        (keys,) = await self._read(GET_APPROVED_PCRS, block=block)
        return tuple(PcrKey(*key) for key in keys)

    async def heartbeat_max_age(self, *, block: BlockRef = "latest") -> int:
        """Return after how many seconds without a heartbeat a node is no longer active."""
        (seconds,) = await self._read(HEARTBEAT_MAX_AGE, block=block)
        return int(seconds)

    def heartbeat(self, tee_id: Bytes32, timestamp: int, signature: bytes) -> TxRequest:
        """Return the transaction that reports a node's signed heartbeat; anybody may send it."""
        return self._transaction(HEARTBEAT, tee_id, timestamp, signature)

    def _strange(self, error: AbiError) -> ChainError:
        return ChainError(
            f"{self.address} does not answer like a node registry: {error}",
            hint="compare the registry's address and the chain with your configuration",
        )
