"""What a receipt refers to: the registry's record of the node, a document, question and answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from .._core.canonical_json import canonical_json
from ..network.records import NodeRecord
from ..types import Address, Bytes32


@dataclass(frozen=True, slots=True)
class RegistryFacts:
    """The registry's record of a node, and where and by whom it was read.

    ``rpcs`` are the endpoints that said the same, without credentials. ``block_timestamp`` is Unix
    seconds of the registry's chain.
    """

    chain_id: int
    registry: Address
    block_number: int
    block_hash: Bytes32
    block_timestamp: int
    rpcs: tuple[str, ...]
    record: NodeRecord


@dataclass(frozen=True, slots=True)
class AttestedDocument:
    """An attestation document that was verified; ``verified_at`` is Unix seconds of our clock."""

    document: bytes = field(repr=False)
    nonce: bytes
    verified_at: float
    pcr_hash: Bytes32


@dataclass(frozen=True, slots=True)
class Content:
    """Question and answer: the body as it was sent, and the text of the answer that is signed."""

    request: Mapping[str, object] = field(repr=False)
    output: str = field(repr=False)


def record_document(record: NodeRecord) -> tuple[str, bytes]:
    """Return a node's record as a document of its own, with the SHA-256 that names it (hex)."""
    return _record_document(record, record.last_heartbeat_at)


@lru_cache(maxsize=256)
def _record_document(record: NodeRecord, _heartbeat: int) -> tuple[str, bytes]:
    # records are equal whenever the node was last seen; their documents are not
    return named(canonical_json(record.to_json()).encode())


def named(document: bytes) -> tuple[str, bytes]:
    """Return a document with the SHA-256 that names it (hex)."""
    return hashlib.sha256(document).hexdigest(), document
