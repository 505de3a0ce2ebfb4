"""The signed statement that goes with every answer (protocol notes 4.2)."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from ...types import keccak256
from .faults import Faults
from .identity import SALT_BYTES, Enclave
from .shapes import JsonObject

_WRONG_SALT_BYTES: Final = 20


@dataclass(frozen=True, slots=True)
class Statement:
    """What the enclave vouches for: these hashes, at this time.

    Hashes are hex without ``0x``, the tee id has it, the signature is base64; as on the wire.
    """

    request_hash: str
    output_hash: str
    timestamp: int
    signature: str
    tee_id: str

    def members(self) -> JsonObject:
        """Return the ``tee_*`` members of an answer."""
        return {
            "tee_signature": self.signature,
            "tee_timestamp": self.timestamp,
            "tee_request_hash": self.request_hash,
            "tee_output_hash": self.output_hash,
            "tee_id": self.tee_id,
        }


async def sign_statement(
    enclave: Enclave, faults: Faults, *, request_text: str, output_text: str, timestamp: int
) -> Statement:
    """Sign the canonical request and the output text; ``timestamp`` is Unix seconds."""
    request_hash = keccak256((request_text + "?" * faults.wrong_request_hash).encode())
    output_hash = keccak256((output_text + "?" * faults.wrong_output_hash).encode())
    message = keccak256(request_hash + output_hash + timestamp.to_bytes(32))
    salt_bytes = _WRONG_SALT_BYTES if faults.wrong_salt else SALT_BYTES
    signature = bytearray(await enclave.sign(message, salt_bytes=salt_bytes))
    if faults.wrong_signature:
        signature[len(signature) // 2] ^= 1
    tee_id = keccak256(enclave.public_key_der + b"?") if faults.wrong_tee_id else enclave.tee_id
    return Statement(
        request_hash=request_hash.hex(),
        output_hash=output_hash.hex(),
        timestamp=timestamp,
        signature=base64.b64encode(signature).decode(),
        tee_id="0x" + tee_id.hex(),
    )
