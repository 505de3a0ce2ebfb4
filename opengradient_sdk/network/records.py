"""Nodes as the registry lists them at one block."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import urlsplit

from ..chain.contracts.tee_info import Layout, OhttpConfig, TeeInfo
from ..types import Address, Bytes32, keccak256

_RSA_ALGORITHM: Final = bytes.fromhex("300d06092a864886f70d0101010500")
"""The AlgorithmIdentifier of an RSA SubjectPublicKeyInfo (RFC 3279, 2.3.1)."""
_SEQUENCE: Final = 0x30
_UNUSUAL: Final = re.compile(r"[^!-\[\]-~]")
"""What an endpoint has no use for: blanks, control and non-ASCII characters, backslashes."""


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One node that can be called. Times are Unix seconds of the registry's chain.

    Attributes:
        tee_id: The node's id: keccak of ``public_key_der``.
        owner: Who registered it.
        payment_address: Who may be paid for its answers.
        endpoint: Its ``https`` address.
        public_key_der: Its RSA signing key (SubjectPublicKeyInfo).
        tls_certificate_der: The only certificate that a connection to it may show.
        pcr_hash: The build it was attested with.
        tee_type: The registered number of its kind.
        enabled: Always true in a list of active nodes.
        registered_at: When it was registered.
        last_heartbeat_at: When it was last seen alive; it makes no other node of it.
        ohttp: Its Oblivious HTTP key, where it has one.
    """

    tee_id: Bytes32
    owner: Address
    payment_address: Address
    endpoint: str
    public_key_der: bytes = field(repr=False)
    tls_certificate_der: bytes = field(repr=False)
    pcr_hash: Bytes32
    tee_type: int
    enabled: bool
    registered_at: int
    last_heartbeat_at: int = field(compare=False)
    ohttp: OhttpConfig | None = None

    @classmethod
    def from_info(cls, info: TeeInfo) -> Self:
        """Return the node of a registry record.

        Raises:
            ValueError: Nothing can be sent to such a node, or proven of it; the text says why.
        """
        reason = _unusable(info)
        if reason:
            raise ValueError(reason)
        return cls(
            tee_id=tee_id_of(info.public_key),
            owner=info.owner,
            payment_address=info.payment_address,
            endpoint=info.endpoint,
            public_key_der=info.public_key,
            tls_certificate_der=info.tls_certificate,
            pcr_hash=info.pcr_hash,
            tee_type=info.tee_type,
            enabled=info.enabled,
            registered_at=info.registered_at,
            last_heartbeat_at=info.last_heartbeat_at,
            ohttp=info.ohttp,
        )

    def to_json(self) -> dict[str, object]:
        """Return the record as plain JSON values; byte strings are hex with 0x."""
        return {
            "owner": self.owner,
            "payment_address": self.payment_address,
            "endpoint": self.endpoint,
            "public_key": "0x" + self.public_key_der.hex(),
            "tls_certificate": "0x" + self.tls_certificate_der.hex(),
            "pcr_hash": str(self.pcr_hash),
            "tee_type": self.tee_type,
            "enabled": self.enabled,
            "registered_at": self.registered_at,
            "last_heartbeat_at": self.last_heartbeat_at,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the record that ``to_json`` wrote; its Oblivious HTTP key is not part of it.

        Raises:
            ValueError: Not that form.
        """
        try:
            public_key = hex_bytes(value["public_key"])
            return cls(
                tee_id=tee_id_of(public_key),
                owner=Address(value["owner"]),
                payment_address=Address(value["payment_address"]),
                endpoint=_text(value["endpoint"]),
                public_key_der=public_key,
                tls_certificate_der=hex_bytes(value["tls_certificate"]),
                pcr_hash=Bytes32(value["pcr_hash"]),
                tee_type=int(value["tee_type"]),
                enabled=bool(value["enabled"]),
                registered_at=int(value["registered_at"]),
                last_heartbeat_at=int(value["last_heartbeat_at"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a node's record: {error}") from error


@dataclass(frozen=True, slots=True)
class RegistrySnapshot:
    """The registry's active nodes at one block.

    Attributes:
        chain_id: The registry's chain.
        registry: The registry contract.
        block_number: The block it was read at.
        block_hash: That block's hash.
        block_timestamp: That block's time, in Unix seconds of the chain.
        read_at: When it was read, in Unix seconds of our clock.
        rpc_urls: The endpoints that agreed on it, without credentials.
        nodes: The nodes that can be called.
        skipped: The ids of listed nodes that cannot, and why.
        layout: The contract's record layout.
    """

    chain_id: int
    registry: Address
    block_number: int
    block_hash: Bytes32
    block_timestamp: int
    read_at: float
    rpc_urls: tuple[str, ...]
    nodes: tuple[NodeRecord, ...]
    skipped: tuple[tuple[Bytes32, str], ...]
    layout: Layout

    def find(self, tee_id: Bytes32) -> NodeRecord | None:
        """Return the callable node with this id."""
        return next((node for node in self.nodes if node.tee_id == tee_id), None)


def tee_id_of(public_key_der: bytes) -> Bytes32:
    """Return the id of the node that signs with this key: the keccak of its DER bytes."""
    return Bytes32(keccak256(public_key_der))


def sort_out(
    infos: Iterable[TeeInfo],
) -> tuple[tuple[NodeRecord, ...], tuple[tuple[Bytes32, str], ...]]:
    """Return the nodes that can be called, and the ids of the others with the reason."""
    nodes: list[NodeRecord] = []
    skipped: list[tuple[Bytes32, str]] = []
    for info in infos:
        try:
            nodes.append(NodeRecord.from_info(info))
        except ValueError as reason:
            skipped.append((tee_id_of(info.public_key), str(reason)))
    return tuple(nodes), tuple(skipped)


def _unusable(info: TeeInfo) -> str:
    """Return why nothing can be sent to a node, or proven of it; empty where it can."""
    if not info.enabled:
        return "it is listed as active but is not enabled"
    if reason := _not_https(info.endpoint):
        return f"its endpoint {info.endpoint[:80]!r} {reason}"
    if not _starts_with_sequence(info.public_key, _RSA_ALGORITHM):
        return "its signing key is not an RSA public key in DER"
    if not _starts_with_sequence(info.tls_certificate):
        return "its TLS certificate is not DER"
    return ""


def _not_https(endpoint: str) -> str:
    if _UNUSUAL.search(endpoint):
        return "has characters that no address has"
    try:
        url = urlsplit(endpoint)
        usable = url.scheme == "https" and bool(url.hostname) and url.port != 0
    except ValueError:
        return "is not a URL"
    if not usable:
        return "is not https"
    if url.username is not None or url.query or url.fragment:
        return "has more than a host, a port and a path"
    return ""


def _starts_with_sequence(der: bytes, first: bytes = b"") -> bool:
    """Whether ``der`` is one DER SEQUENCE, of exactly its length, that starts with a SEQUENCE.

    A whole parser would cost more than it tells: the key is used for what it verifies, and the
    certificate is compared byte for byte with what the node shows.
    """
    if len(der) < 2 or der[0] != _SEQUENCE:
        return False
    length, header = der[1], 2
    if length & 0x80:
        header += length & 0x7F
        length = int.from_bytes(der[2:header], "big")
    content = der[header:]
    return len(content) == length and content.startswith(first or bytes([_SEQUENCE]))


def hex_bytes(text: object) -> bytes:
    """Return the bytes of ``0x`` and an even number of hex digits.

    Raises:
        ValueError: Not that.
    """
    if not isinstance(text, str) or not text.startswith("0x"):
        raise ValueError("byte strings are hex with 0x")
    return bytes.fromhex(text[2:])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("an endpoint is text")
    return value
