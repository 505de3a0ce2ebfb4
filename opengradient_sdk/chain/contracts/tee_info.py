"""The registry's record of one node, in the two layouts that were ever deployed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from ...types import Address, Bytes32
from ..abi import AbiError, Function

Layout: TypeAlias = Literal["july", "april"]

LLM_PROXY: Final = 0
"""The registered number of the node type that answers prompts."""

# The endpoint is a string on chain; it is read as bytes, whose encoding is the same, so that one
# record that is not UTF-8 spoils itself and not the list.
_APRIL_MEMBERS: Final = (
    "address owner, address paymentAddress, bytes endpoint, bytes publicKey, bytes tlsCertificate,"
    "bytes32 pcrHash, uint8 teeType, bool enabled, uint256 registeredAt, uint256 lastHeartbeatAt"
)
_OHTTP: Final = (
    "(uint8 keyId, uint16 kemId, uint16 kdfId, uint16 aeadId, bytes publicKey, bytes keyConfig,"
    "uint256 registeredAt)"
)
_APRIL: Final = f"({_APRIL_MEMBERS})"
_JULY: Final = f"({_APRIL_MEMBERS}, {_OHTTP} ohttpConfig)"
GET_ACTIVE_TEES: Final = Function("getActiveTEEs(uint8 teeType)", f"{_JULY}[]")
GET_ACTIVE_TEES_APRIL: Final = Function("getActiveTEEs(uint8 teeType)", f"{_APRIL}[]")
GET_TEE: Final = Function("getTEE(bytes32 teeId)", _JULY)
GET_TEE_APRIL: Final = Function("getTEE(bytes32 teeId)", _APRIL)
TEES: Final = Function("tees(bytes32 teeId)", f"{_APRIL_MEMBERS}, {_OHTTP} ohttpConfig")
TEES_APRIL: Final = Function("tees(bytes32 teeId)", _APRIL_MEMBERS)
_NOBODY: Final = Address("0x" + "00" * 20)


@dataclass(frozen=True, slots=True)
class OhttpConfig:
    """A node's Oblivious HTTP key (RFC 9458): algorithm numbers, key, and its own wire form.

    ``registered_at`` is in Unix seconds of the chain.
    """

    key_id: int
    kem_id: int
    kdf_id: int
    aead_id: int
    public_key: bytes
    key_config: bytes = field(repr=False)
    registered_at: int


@dataclass(frozen=True, slots=True)
class TeeInfo:
    """A node as the registry holds it, unchecked. Times are Unix seconds of the chain.

    ``ohttp`` is ``None`` where the record has no key, or the layout has no room for one.
    """

    owner: Address
    payment_address: Address
    endpoint: str
    public_key: bytes = field(repr=False)
    tls_certificate: bytes = field(repr=False)
    pcr_hash: Bytes32
    tee_type: int
    enabled: bool
    registered_at: int
    last_heartbeat_at: int
    ohttp: OhttpConfig | None = None

    @classmethod
    def from_words(cls, words: tuple[Any, ...]) -> TeeInfo:
        """Return the record of a decoded tuple of either layout."""
        (owner, payment_address, endpoint, public_key, tls_certificate, pcr_hash, tee_type, enabled,
         registered_at, last_heartbeat_at, *july) = words  # fmt: skip
        ohttp = OhttpConfig(*july[0]) if july else None
        return cls(
            owner=owner,
            payment_address=payment_address,
            endpoint=endpoint.decode("utf-8", "backslashreplace"),
            public_key=public_key,
            tls_certificate=tls_certificate,
            pcr_hash=pcr_hash,
            tee_type=tee_type,
            enabled=enabled,
            registered_at=registered_at,
            last_heartbeat_at=last_heartbeat_at,
            ohttp=ohttp if ohttp is not None and ohttp.public_key else None,
        )


def encode_active_tees(tee_type: int = LLM_PROXY) -> bytes:
    """Return the calldata that asks for the active nodes of a type; one for both layouts."""
    return GET_ACTIVE_TEES.encode(tee_type)


def decode_active_tees(data: bytes) -> tuple[Layout, tuple[TeeInfo, ...]]:
    """Return the layout and the records of a ``getActiveTEEs`` answer.

    The July layout is tried first, then April's. An empty list is the same in both and counts as
    July's.

    Raises:
        AbiError: The answer is in neither layout.
    """
    layout, (records,) = _decode(GET_ACTIVE_TEES, GET_ACTIVE_TEES_APRIL, data)
    return layout, tuple(TeeInfo.from_words(words) for words in records)


def decode_tee(data: bytes) -> TeeInfo:
    """Return the record of a ``getTEE`` answer, in either layout.

    Raises:
        AbiError: The answer is in neither layout.
    """
    _, (words,) = _decode(GET_TEE, GET_TEE_APRIL, data)
    return TeeInfo.from_words(words)


def decode_stored_tee(data: bytes) -> TeeInfo | None:
    """Return the record of a ``tees`` answer, in either layout; ``None`` for an empty record.

    Raises:
        AbiError: The answer is in neither layout.
    """
    _, words = _decode(TEES, TEES_APRIL, data)
    tee = TeeInfo.from_words(words)
    return None if tee.owner == _NOBODY else tee


def _decode(july: Function, april: Function, data: bytes) -> tuple[Layout, tuple[Any, ...]]:
    try:
        # April data never passes here: its first offset points into July's longer head.
        return "july", july.decode_result(data)
    except AbiError as july_error:
        try:
            values = april.decode_result(data)
        except AbiError:
            raise july_error from None
        # Damaged July data might: its tails lie further back, so it must come out byte for byte.
        if april.outputs.kind.encode(values) != data:
            raise
        return "april", values
