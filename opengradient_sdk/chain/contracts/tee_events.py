"""What the on-chain registry of attested nodes reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ...types import Address, Bytes32
from .events import Event


@dataclass(frozen=True, slots=True)
class TeeRegistered:
    """A node was registered by ``owner``; it is enabled from here on."""

    tee_id: Bytes32
    owner: Address
    tee_type: int


@dataclass(frozen=True, slots=True)
class TeeEnabled:
    """A node was enabled again."""

    tee_id: Bytes32


@dataclass(frozen=True, slots=True)
class TeeDisabled:
    """A node was disabled, by its owner, an admin, or because its build was revoked."""

    tee_id: Bytes32


@dataclass(frozen=True, slots=True)
class PcrApproved:
    """A build was approved for a node type."""

    pcr_hash: Bytes32
    tee_type: int
    version: str


@dataclass(frozen=True, slots=True)
class PcrRevoked:
    """A build is no longer approved for a node type; every node that runs it was disabled."""

    pcr_hash: Bytes32
    tee_type: int


@dataclass(frozen=True, slots=True)
class TeeTypeAdded:
    """A node type was added."""

    tee_type: int
    name: str


@dataclass(frozen=True, slots=True)
class AwsCertificateUpdated:
    """Attestations are checked against another root from here on; its hash."""

    cert_hash: Bytes32


@dataclass(frozen=True, slots=True)
class HeartbeatReceived:
    """A node was alive; ``timestamp`` is what it signed, in Unix seconds."""

    tee_id: Bytes32
    timestamp: int


TEE_REGISTERED: Final = Event(
    "TEERegistered(bytes32 indexed tee_id, address indexed owner, uint8 tee_type)", TeeRegistered
)
TEE_ENABLED: Final = Event("TEEEnabled(bytes32 indexed tee_id)", TeeEnabled)
TEE_DISABLED: Final = Event("TEEDisabled(bytes32 indexed tee_id)", TeeDisabled)
PCR_APPROVED: Final = Event(
    "PCRApproved(bytes32 indexed pcr_hash, uint8 indexed tee_type, string version)", PcrApproved
)
PCR_REVOKED: Final = Event(
    "PCRRevoked(bytes32 indexed pcr_hash, uint8 indexed tee_type)", PcrRevoked
)
TEE_TYPE_ADDED: Final = Event("TEETypeAdded(uint8 indexed tee_type, string name)", TeeTypeAdded)
AWS_CERTIFICATE_UPDATED: Final = Event(
    "AWSCertificateUpdated(bytes32 indexed cert_hash)", AwsCertificateUpdated
)
HEARTBEAT_RECEIVED: Final = Event(
    "HeartbeatReceived(bytes32 indexed tee_id, uint256 timestamp)", HeartbeatReceived
)
