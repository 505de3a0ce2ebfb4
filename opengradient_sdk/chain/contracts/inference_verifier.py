"""The contracts that check a node's signature over an inference on chain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ...types import Address, Bytes32
from ..abi import Function
from ..blocks import BlockRef
from .base import Contract

_STATEMENT: Final = (
    "bytes32 teeId, bytes32 inputHash, bytes32 outputHash, uint256 timestamp, bytes signature"
)
VERIFY_SIGNATURE: Final = Function(f"verifySignature({_STATEMENT})", "bool")
VERIFY_SIGNATURE_NO_TIMESTAMP: Final = Function(f"verifySignatureNoTimestamp({_STATEMENT})", "bool")
COMPUTE_MESSAGE_HASH: Final = Function(
    "computeMessageHash(bytes32 inputHash, bytes32 outputHash, uint256 timestamp)", "bytes32"
)
REGISTRY: Final = Function("registry()", "address")


@dataclass(frozen=True, slots=True)
class InferenceStatement:
    """What a node signed about one answer; ``timestamp`` is in Unix seconds."""

    tee_id: Bytes32
    input_hash: Bytes32
    output_hash: Bytes32
    timestamp: int
    signature: bytes = field(repr=False)


class InferenceVerifier(Contract):
    """TEEInferenceVerifier, and TEEBatchVerifier which adds the check without an age limit."""

    async def is_valid_now(
        self, statement: InferenceStatement, *, block: BlockRef = "latest"
    ) -> bool:
        """Whether an enabled node signed ``statement``, at most an hour before the block."""
        (valid,) = await self._read(VERIFY_SIGNATURE, *_words(statement), block=block)
        return bool(valid)

    async def is_valid(self, statement: InferenceStatement, *, block: BlockRef = "latest") -> bool:
        """Whether a node that is enabled now signed ``statement``, whenever (TEEBatchVerifier)."""
        (valid,) = await self._read(VERIFY_SIGNATURE_NO_TIMESTAMP, *_words(statement), block=block)
        return bool(valid)

    async def message_hash(
        self,
        input_hash: Bytes32,
        output_hash: Bytes32,
        timestamp: int,
        *,
        block: BlockRef = "latest",
    ) -> Bytes32:
        """Return the hash that nodes sign: keccak over the three values, packed."""
        (message,) = await self._read(
            COMPUTE_MESSAGE_HASH, input_hash, output_hash, timestamp, block=block
        )
        return Bytes32(message)

    async def registry(self, *, block: BlockRef = "latest") -> Address:
        """Return the registry whose keys this contract trusts."""
        (registry,) = await self._read(REGISTRY, block=block)
        return Address(registry)


def _words(s: InferenceStatement) -> tuple[object, ...]:
    return (s.tee_id, s.input_hash, s.output_hash, s.timestamp, s.signature)
