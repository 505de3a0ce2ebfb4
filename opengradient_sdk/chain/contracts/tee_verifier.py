"""The TEE verifier precompile of the registry's chain, at 0x…0900."""

from __future__ import annotations

from typing import Final

from ...types import Address, Bytes32
from ..abi import Function
from ..blocks import BlockRef
from .base import Caller, Contract, Read

TEE_VERIFIER: Final = Address("0x0000000000000000000000000000000000000900")
VERIFY_ATTESTATION: Final = Function(
    "verifyAttestation(bytes document, bytes signingKey, bytes tlsCertificate, bytes root)",
    "bool, bytes32",
)
VERIFY_RSA_PSS: Final = Function(
    "verifyRSAPSS(bytes publicKey, bytes32 message, bytes signature)", "bool"
)


class TeeVerifier(Contract):
    """Attestation and RSA-PSS checks as the chain itself makes them."""

    def __init__(self, rpc: Caller, address: Address = TEE_VERIFIER) -> None:
        super().__init__(rpc, address)

    def verify_attestation(
        self,
        document: bytes,
        signing_key: bytes,
        tls_certificate: bytes,
        root: bytes = b"",
        *,
        block: BlockRef = "latest",
    ) -> Read[Bytes32 | None]:
        """Return the PCR hash that a raw Nitro document proves, or ``None`` where it proves none.

        The chain judges at block time and does not check the document's nonce. An empty ``root``
        means the built-in AWS root, another one is PEM.
        """
        return self._read(
            VERIFY_ATTESTATION,
            document, signing_key, tls_certificate, root,
            into=_proven,
            block=block,
        )  # fmt: skip

    def is_rsa_pss_valid(
        self, public_key: bytes, message: Bytes32, signature: bytes, *, block: BlockRef = "latest"
    ) -> Read[bool]:
        """Whether ``signature`` is RSA-PSS (SHA-256, salt 32) over SHA-256 of ``message``."""
        return self._read(VERIFY_RSA_PSS, public_key, message, signature, into=bool, block=block)


def _proven(valid: bool, pcr_hash: Bytes32) -> Bytes32 | None:  # noqa: FBT001 - as the ABI has it
    return pcr_hash if valid else None
