"""The on-chain registry of attested nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from ...types import Address, Bytes32, TxRequest
from ..abi import Function
from ..blocks import BlockRef
from . import tee_events
from .access_control import AccessControl
from .base import Read, hashes
from .tee_info import (
    GET_ACTIVE_TEES,
    GET_TEE,
    LLM_PROXY,
    TEES,
    Layout,
    TeeInfo,
    decode_active_tees,
    decode_stored_tee,
    decode_tee,
)

_PCRS: Final = "(bytes pcr0, bytes pcr1, bytes pcr2) pcrs"
IS_TEE_ACTIVE: Final = Function("isTEEActive(bytes32 teeId)", "bool")
IS_TEE_ENABLED: Final = Function("isTEEEnabled(bytes32 teeId)", "bool")
GET_TEE_PUBLIC_KEY: Final = Function("getTEEPublicKey(bytes32 teeId)", "bytes")
GET_TEES_BY_TYPE: Final = Function("getTEEsByType(uint8 teeType)", "bytes32[]")
GET_ENABLED_TEES: Final = Function("getEnabledTEEs(uint8 teeType)", "bytes32[]")
GET_TEES_BY_OWNER: Final = Function("getTEEsByOwner(address owner)", "bytes32[]")
COMPUTE_TEE_ID: Final = Function("computeTEEId(bytes publicKey)", "bytes32")
IS_PCR_APPROVED: Final = Function("isPCRApproved(uint8 teeType, bytes32 pcrHash)", "bool")
PCR_RECORDS: Final = Function(
    "pcrRecords(uint8 teeType, bytes32 pcrHash)", "bool, uint8, uint256, string"
)
COMPUTE_PCR_HASH: Final = Function(f"computePCRHash({_PCRS})", "bytes32")
GET_APPROVED_PCRS: Final = Function("getApprovedPCRs()", "(bytes32 pcrHash, uint8 teeType)[]")
GET_TEE_TYPES: Final = Function("getTEETypes()", "uint8[], (string name, uint256 addedAt)[]")
TEE_TYPES: Final = Function("teeTypes(uint8 teeType)", "string name, uint256 addedAt")
IS_VALID_TEE_TYPE: Final = Function("isValidTEEType(uint8 teeType)", "bool")
HEARTBEAT_MAX_AGE: Final = Function("heartbeatMaxAge()", "uint256")
AWS_ROOT_CERTIFICATE: Final = Function("awsRootCertificate()", "bytes")
TEE_OPERATOR: Final = Function("TEE_OPERATOR()", "bytes32")
VERIFIER: Final = Function("VERIFIER()", "address")

REGISTER: Final = Function(
    "registerTEEWithAttestation(bytes attestation, bytes signingPublicKey, bytes tlsCertificate,"
    "address paymentAddress, string endpoint, uint8 teeType)",
    "bytes32",
)
HEARTBEAT: Final = Function("heartbeat(bytes32 teeId, uint256 timestamp, bytes signature)")
ENABLE_TEE: Final = Function("enableTEE(bytes32 teeId)")
DISABLE_TEE: Final = Function("disableTEE(bytes32 teeId)")
ADD_TEE_TYPE: Final = Function("addTEEType(uint8 teeType, string name)")
APPROVE_PCR: Final = Function(f"approvePCR({_PCRS}, string version, uint8 teeType)")
REVOKE_PCR: Final = Function("revokePCR(bytes32 pcrHash, uint8 teeType)")
SET_AWS_ROOT_CERTIFICATE: Final = Function("setAWSRootCertificate(bytes certificate)")
SET_HEARTBEAT_MAX_AGE: Final = Function("setHeartbeatMaxAge(uint256 maxAge)")


@dataclass(frozen=True, slots=True)
class PcrMeasurements:
    """What a Nitro enclave measures of its build, 48 bytes each."""

    pcr0: bytes
    pcr1: bytes
    pcr2: bytes


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
class TeeType:
    """A node type; ``added_at`` is in Unix seconds of the chain."""

    tee_type: int
    name: str
    added_at: int


@dataclass(frozen=True, slots=True)
class TeeRegistration:
    """A node as its operator registers it: a raw Nitro document, keys (DER) and address."""

    attestation: bytes = field(repr=False)
    signing_key: bytes = field(repr=False)
    tls_certificate: bytes = field(repr=False)
    payment_address: Address
    endpoint: str
    tee_type: int = LLM_PROXY


class TeeRegistry(AccessControl):
    """The TEERegistry contract; the July and the April layout are both understood."""

    TEE_REGISTERED: Final = tee_events.TEE_REGISTERED
    TEE_ENABLED: Final = tee_events.TEE_ENABLED
    TEE_DISABLED: Final = tee_events.TEE_DISABLED
    PCR_APPROVED: Final = tee_events.PCR_APPROVED
    PCR_REVOKED: Final = tee_events.PCR_REVOKED
    TEE_TYPE_ADDED: Final = tee_events.TEE_TYPE_ADDED
    AWS_CERTIFICATE_UPDATED: Final = tee_events.AWS_CERTIFICATE_UPDATED
    HEARTBEAT_RECEIVED: Final = tee_events.HEARTBEAT_RECEIVED

    def active_tees(
        self, tee_type: int = LLM_PROXY, *, block: BlockRef = "latest"
    ) -> Read[tuple[Layout, tuple[TeeInfo, ...]]]:
        """Return the enabled nodes with an approved build and a fresh heartbeat."""
        return self._question(GET_ACTIVE_TEES, tee_type, decode=decode_active_tees, block=block)

    def tee(self, tee_id: Bytes32, *, block: BlockRef = "latest") -> Read[TeeInfo]:
        """Return one node's record, active or not; it reverts where there is none."""
        return self._question(GET_TEE, tee_id, decode=decode_tee, block=block)

    def find_tee(self, tee_id: Bytes32, *, block: BlockRef = "latest") -> Read[TeeInfo | None]:
        """Return one node's record, active or not, ``None`` where there is none."""
        return self._question(TEES, tee_id, decode=decode_stored_tee, block=block)

    def tee_ids(
        self, tee_type: int = LLM_PROXY, *, block: BlockRef = "latest"
    ) -> Read[tuple[Bytes32, ...]]:
        """Return the ids of all nodes ever registered for a type."""
        return self._read(GET_TEES_BY_TYPE, tee_type, into=hashes, block=block)

    def enabled_tee_ids(
        self, tee_type: int = LLM_PROXY, *, block: BlockRef = "latest"
    ) -> Read[tuple[Bytes32, ...]]:
        """Return the ids of the enabled nodes of a type, whatever their heartbeats say."""
        return self._read(GET_ENABLED_TEES, tee_type, into=hashes, block=block)

    def tee_ids_of(
        self, owner: Address, *, block: BlockRef = "latest"
    ) -> Read[tuple[Bytes32, ...]]:
        """Return the ids of all nodes that ``owner`` registered."""
        return self._read(GET_TEES_BY_OWNER, owner, into=hashes, block=block)

    def is_tee_active(self, tee_id: Bytes32, *, block: BlockRef = "latest") -> Read[bool]:
        """Whether a node is enabled, its build approved and its heartbeat fresh."""
        return self._read(IS_TEE_ACTIVE, tee_id, into=bool, block=block)

    def is_tee_enabled(self, tee_id: Bytes32, *, block: BlockRef = "latest") -> Read[bool]:
        """Whether a node is enabled, whatever its heartbeat says."""
        return self._read(IS_TEE_ENABLED, tee_id, into=bool, block=block)

    def tee_public_key(self, tee_id: Bytes32, *, block: BlockRef = "latest") -> Read[bytes]:
        """Return a node's RSA key (DER); disabled nodes keep theirs."""
        return self._read(GET_TEE_PUBLIC_KEY, tee_id, into=bytes, block=block)

    def tee_id(self, public_key: bytes, *, block: BlockRef = "latest") -> Read[Bytes32]:
        """Return the id that a node with this key (DER) has or would have."""
        return self._read(COMPUTE_TEE_ID, public_key, into=Bytes32, block=block)

    def is_pcr_approved(
        self, tee_type: int, pcr_hash: Bytes32, *, block: BlockRef = "latest"
    ) -> Read[bool]:
        """Whether a build is approved for a node type now."""
        return self._read(IS_PCR_APPROVED, tee_type, pcr_hash, into=bool, block=block)

    def pcr_record(
        self, tee_type: int, pcr_hash: Bytes32, *, block: BlockRef = "latest"
    ) -> Read[ApprovedPcr]:
        """Return what the registry knows of a build; all zero where it knows nothing."""
        return self._read(PCR_RECORDS, tee_type, pcr_hash, into=ApprovedPcr, block=block)

    def pcr_hash(self, pcrs: PcrMeasurements, *, block: BlockRef = "latest") -> Read[Bytes32]:
        """Return the hash by which the registry knows a build."""
        return self._read(COMPUTE_PCR_HASH, _words(pcrs), into=Bytes32, block=block)

    def approved_pcrs(self, *, block: BlockRef = "latest") -> Read[tuple[PcrKey, ...]]:
        """Return the builds that are approved now."""
        return self._read(GET_APPROVED_PCRS, into=_pcr_keys, block=block)

    def tee_types(self, *, block: BlockRef = "latest") -> Read[tuple[TeeType, ...]]:
        """Return the node types that there are."""
        return self._read(GET_TEE_TYPES, into=_tee_types, block=block)

    def tee_type(self, number: int, *, block: BlockRef = "latest") -> Read[TeeType]:
        """Return one node type; its name is empty where there is none."""

        def named(name: str, added_at: int) -> TeeType:
            return TeeType(number, name, added_at)

        return self._read(TEE_TYPES, number, into=named, block=block)

    def is_valid_tee_type(self, number: int, *, block: BlockRef = "latest") -> Read[bool]:
        """Whether there is a node type of this number."""
        return self._read(IS_VALID_TEE_TYPE, number, into=bool, block=block)

    def heartbeat_max_age(self, *, block: BlockRef = "latest") -> Read[int]:
        """Return after how many seconds without a heartbeat a node is no longer active."""
        return self._read(HEARTBEAT_MAX_AGE, into=int, block=block)

    def aws_root_certificate(self, *, block: BlockRef = "latest") -> Read[bytes]:
        """Return the root that attestations are checked against (PEM); empty: the built-in one."""
        return self._read(AWS_ROOT_CERTIFICATE, into=bytes, block=block)

    def operator_role(self, *, block: BlockRef = "latest") -> Read[Bytes32]:
        """Return the role that registering a node needs."""
        return self._read(TEE_OPERATOR, into=Bytes32, block=block)

    def verifier(self, *, block: BlockRef = "latest") -> Read[Address]:
        """Return the precompile that checks attestations and signatures."""
        return self._read(VERIFIER, into=Address, block=block)

    def register_tee(self, registration: TeeRegistration) -> TxRequest:
        """Return the transaction with which an operator registers a node for ever."""
        r = registration
        return self._transaction(
            REGISTER,
            r.attestation, r.signing_key, r.tls_certificate, r.payment_address, r.endpoint,
            r.tee_type,
        )  # fmt: skip

    def heartbeat(self, tee_id: Bytes32, timestamp: int, signature: bytes) -> TxRequest:
        """Return the transaction that reports a node's signed heartbeat; anybody may send it."""
        return self._transaction(HEARTBEAT, tee_id, timestamp, signature)

    def enable_tee(self, tee_id: Bytes32) -> TxRequest:
        """Return the transaction with which a node's owner or the admin enables it again."""
        return self._transaction(ENABLE_TEE, tee_id)

    def disable_tee(self, tee_id: Bytes32) -> TxRequest:
        """Return the transaction with which a node's owner or the admin disables it."""
        return self._transaction(DISABLE_TEE, tee_id)

    def add_tee_type(self, number: int, name: str) -> TxRequest:
        """Return the transaction with which the admin adds a node type."""
        return self._transaction(ADD_TEE_TYPE, number, name)

    def approve_pcr(
        self, pcrs: PcrMeasurements, version: str, tee_type: int = LLM_PROXY
    ) -> TxRequest:
        """Return the transaction with which the admin approves a build for a node type."""
        return self._transaction(APPROVE_PCR, _words(pcrs), version, tee_type)

    def revoke_pcr(self, pcr_hash: Bytes32, tee_type: int = LLM_PROXY) -> TxRequest:
        """Return the transaction with which the admin revokes a build, disabling its nodes."""
        return self._transaction(REVOKE_PCR, pcr_hash, tee_type)

    def set_aws_root_certificate(self, certificate: bytes) -> TxRequest:
        """Return the transaction with which the admin names another attestation root (PEM)."""
        return self._transaction(SET_AWS_ROOT_CERTIFICATE, certificate)

    def set_heartbeat_max_age(self, seconds: int) -> TxRequest:
        """Return the transaction with which the admin sets how long a heartbeat counts."""
        return self._transaction(SET_HEARTBEAT_MAX_AGE, seconds)


def _words(pcrs: PcrMeasurements) -> tuple[bytes, bytes, bytes]:
    return (pcrs.pcr0, pcrs.pcr1, pcrs.pcr2)


def _pcr_keys(keys: tuple[Any, ...]) -> tuple[PcrKey, ...]:
    return tuple(PcrKey(*key) for key in keys)


def _tee_types(numbers: tuple[int, ...], infos: tuple[Any, ...]) -> tuple[TeeType, ...]:
    return tuple(TeeType(number, *info) for number, info in zip(numbers, infos, strict=False))
