"""The members of a bundle, in their order: the one definition of the format.

The published JSON Schema is printed from these classes. Every value has one spelling: hex is lower
case with ``0x``, addresses too; amounts and other 256-bit numbers are decimal text; integers have
no fraction. What is not defined here is refused.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

SCHEMA: Final = "opengradient.bundle/1"

_LAST_SECOND: Final = 253_402_300_799  # of the year 9999
_SAFE_INTEGER: Final = 2**53 - 1  # what every JSON reader can tell from its neighbours


def _true(value: bool) -> bool:  # noqa: FBT001 - pydantic calls it
    if not value:
        raise ValueError("only true has a meaning here")
    return value


Bytes: TypeAlias = Annotated[str, Field(pattern="^0x([0-9a-f]{2})*$")]
Hash: TypeAlias = Annotated[str, Field(pattern="^0x[0-9a-f]{64}$")]
AddressText: TypeAlias = Annotated[str, Field(pattern="^0x[0-9a-f]{40}$")]
Signature65: TypeAlias = Annotated[str, Field(pattern="^0x[0-9a-f]{130}$")]
Base64: TypeAlias = Annotated[str, Field(pattern="^[A-Za-z0-9+/]+={0,2}$")]
Decimal: TypeAlias = Annotated[str, Field(pattern="^(0|[1-9][0-9]{0,77})$")]
"""A whole number below 2^256, as text: amounts are atoms, 10^-18 OPG each."""
AlwaysTrue: TypeAlias = Annotated[
    bool, AfterValidator(_true), WithJsonSchema({"const": True, "type": "boolean"})
]
"""``Literal[True]`` would take the number 1 for it."""
Network: TypeAlias = Annotated[str, Field(pattern="^eip155:[1-9][0-9]{0,17}$")]
Integer: TypeAlias = Annotated[int, Field(ge=0, le=_SAFE_INTEGER)]
Seconds: TypeAlias = Annotated[float, Field(ge=0, le=_LAST_SECOND)]
"""Unix seconds."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CallPart(_Part):
    """Which route was called for which model."""

    route: Literal["/v1/chat/completions", "/v1/completions"]
    model: str


class RequestPart(_Part):
    """The canonical text of the request, whose hash is signed; null where it is left out."""

    canonical: str | None


class OutputPart(_Part):
    """The text of the answer that is signed; null where it is left out."""

    text: str | None


class StatementPart(_Part):
    """What the node signed. ``timestamp`` is Unix seconds of the enclave's clock."""

    tee_id: Hash
    request_hash: Hash
    output_hash: Hash
    timestamp: Integer
    signature: Base64


class RecordPart(_Part):
    """The registry's record of the node, but for its Oblivious HTTP key."""

    owner: AddressText
    payment_address: AddressText
    endpoint: str
    public_key: Bytes
    tls_certificate: Bytes
    pcr_hash: Hash
    tee_type: Integer
    enabled: AlwaysTrue
    registered_at: Integer
    last_heartbeat_at: Integer


class RegistryPart(_Part):
    """Where the record was read, and the endpoints that agreed on it."""

    chain_id: Integer
    registry: AddressText
    block_number: Integer
    block_hash: Hash
    block_timestamp: Integer
    rpcs: list[str]
    record: RecordPart


class AttestationPart(_Part):
    """The node's attestation document, the nonce it was made for, and when it was checked."""

    document: Base64
    nonce: Bytes
    verified_at: Seconds


class AuthorizationPart(_Part):
    """What the payer signed: the cap of the session, who gets it, who may collect it, until when.

    ``valid_after`` and ``deadline`` are Unix seconds of the payments chain.
    """

    scheme: Literal["upto", "exact"]
    network: Network
    asset: AddressText
    owner: AddressText
    spender: AddressText
    recipient: AddressText
    facilitator: AddressText | None
    max_amount: Decimal
    nonce: Decimal
    valid_after: Integer
    deadline: Integer


class SessionPart(_Part):
    """What the payer counted of the session: calls, and the sum of their computed costs."""

    served: Decimal
    calls: Integer
    unpriced: Integer
    resent: Integer


class NotChargedPart(_Part):
    """The finalized block after the deadline in which the nonce was still unused."""

    chain_id: Integer
    block_number: Integer
    block_hash: Hash
    block_timestamp: Integer
    deadline: Integer
    bitmap: Decimal
    rpcs: list[str]


class PaymentStatusPart(_Part):
    """The chain's word on the authorization, and the endpoints that were heard."""

    state: Literal["open", "settled", "final", "not charged", "cancelled", "unknown"]
    reason: str
    amount: Decimal | None
    transaction: Hash | None
    chain_id: Integer | None
    block_number: Integer | None
    block_hash: Hash | None
    proof: NotChargedPart | None
    rpcs: list[str]
    disagreeing: list[str]
    final: bool


class PaymentPart(_Part):
    """The authorization the call joined. Its signature is there once its deadline has passed."""

    authorization: AuthorizationPart
    signature: Signature65 | None
    session: SessionPart
    status: PaymentStatusPart


class DataProofPart(_Part):
    """Where the hashes stand on chain, and the Merkle path that leads there."""

    mode: Literal["batch", "individual"]
    chain_id: Integer
    relay: AddressText
    transaction: Hash
    log_index: Integer
    block_number: Integer
    block_hash: Hash
    block_timestamp: Integer
    blob_id: str
    rpcs: list[str]
    merkle_root: Hash | None
    batch_size: Integer | None
    leaf_hash: Hash | None
    proof: Annotated[list[Hash], Field(max_length=64)]


class DataPart(_Part):
    """What is known about the settlement of the two hashes."""

    state: Literal["none", "promised", "settled", "final", "overdue"]
    mode: Literal["private", "batch", "individual"]
    reason: str
    due_at: Seconds | None
    searched_to: Integer | None
    proof: DataProofPart | None


class Bundle(_Part):
    """One answered call with everything that can be checked about it."""

    schema_: Literal["opengradient.bundle/1"] = Field(alias="schema")
    id: str
    created_at: Seconds
    as_of: Seconds
    run: str | None
    parents: list[str]
    call: CallPart
    request: RequestPart
    output: OutputPart
    statement: StatementPart | None
    registry: RegistryPart | None
    attestation: AttestationPart | None
    payment: PaymentPart
    data: DataPart
    uncovered: list[str]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a bundle (draft 2020-12), as it is published."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Bundle.model_json_schema(by_alias=True),
    }


def published() -> str:
    """Return the text of the published JSON Schema."""
    return json.dumps(json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(published())
