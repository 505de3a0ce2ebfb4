"""The contracts that check a node's signature over an inference on chain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ...types import Address, Bytes32, TxRequest
from ..abi import Function
from ..blocks import BlockRef
from .access_control import AccessControl
from .base import Read
from .events import Event

_STATEMENT: Final = (
    "bytes32 teeId, bytes32 inputHash, bytes32 outputHash, uint256 timestamp, bytes signature"
)
VERIFY_SIGNATURE: Final = Function(f"verifySignature({_STATEMENT})", "bool")
VERIFY_SIGNATURE_NO_TIMESTAMP: Final = Function(f"verifySignatureNoTimestamp({_STATEMENT})", "bool")
COMPUTE_MESSAGE_HASH: Final = Function(
    "computeMessageHash(bytes32 inputHash, bytes32 outputHash, uint256 timestamp)", "bytes32"
)
REGISTRY: Final = Function("registry()", "address")
VERIFIER: Final = Function("VERIFIER()", "address")
MAX_INFERENCE_AGE: Final = Function("MAX_INFERENCE_AGE()", "uint256")
FUTURE_TOLERANCE: Final = Function("FUTURE_TOLERANCE()", "uint256")
SET_REGISTRY: Final = Function("setRegistry(address registry)")


@dataclass(frozen=True, slots=True)
class InferenceStatement:
    """What a node signed about one answer; ``timestamp`` is in Unix seconds."""

    tee_id: Bytes32
    input_hash: Bytes32
    output_hash: Bytes32
    timestamp: int
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RegistryUpdated:
    """The verifier trusts the keys of another registry from here on."""

    old_registry: Address
    new_registry: Address


REGISTRY_UPDATED: Final = Event(
    "RegistryUpdated(address indexed old_registry, address indexed new_registry)", RegistryUpdated
)


class InferenceVerifier(AccessControl):
    """TEEInferenceVerifier, and TEEBatchVerifier which adds the check without an age limit."""

    REGISTRY_UPDATED: Final = REGISTRY_UPDATED

    def is_valid_now(
        self, statement: InferenceStatement, *, block: BlockRef = "latest"
    ) -> Read[bool]:
        """Whether an enabled node signed ``statement``, at most an hour before the block."""
        return self._read(VERIFY_SIGNATURE, *_words(statement), into=bool, block=block)

    def is_valid(self, statement: InferenceStatement, *, block: BlockRef = "latest") -> Read[bool]:
        """Whether a node that is enabled now signed ``statement``, whenever (TEEBatchVerifier)."""
        words = _words(statement)
        return self._read(VERIFY_SIGNATURE_NO_TIMESTAMP, *words, into=bool, block=block)

    def message_hash(
        self,
        input_hash: Bytes32,
        output_hash: Bytes32,
        timestamp: int,
        *,
        block: BlockRef = "latest",
    ) -> Read[Bytes32]:
        """Return the hash that nodes sign: keccak over the three values, packed."""
        return self._read(
            COMPUTE_MESSAGE_HASH, input_hash, output_hash, timestamp, into=Bytes32, block=block
        )

    def registry(self, *, block: BlockRef = "latest") -> Read[Address]:
        """Return the registry whose keys this contract trusts."""
        return self._read(REGISTRY, into=Address, block=block)

    def verifier(self, *, block: BlockRef = "latest") -> Read[Address]:
        """Return the precompile that checks the signatures."""
        return self._read(VERIFIER, into=Address, block=block)

    def max_inference_age(self, *, block: BlockRef = "latest") -> Read[int]:
        """Return how many seconds old a statement may be."""
        return self._read(MAX_INFERENCE_AGE, into=int, block=block)

    def future_tolerance(self, *, block: BlockRef = "latest") -> Read[int]:
        """Return by how many seconds a node's clock may be ahead of the block."""
        return self._read(FUTURE_TOLERANCE, into=int, block=block)

    def set_registry(self, registry: Address) -> TxRequest:
        """Return the transaction with which the admin names another registry."""
        return self._transaction(SET_REGISTRY, registry)


def _words(s: InferenceStatement) -> tuple[object, ...]:
    return (s.tee_id, s.input_hash, s.output_hash, s.timestamp, s.signature)
