"""The TEE verifier at 0x…0900 as native code: RSA-PSS and attestation documents.

Functions, gas and limits are those of the production chain (the protocol notes, section 5.4). What
is checked is the code that the client checks with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eth.exceptions import Revert
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from ...errors import AttestationError, SignatureError
from ...types import keccak256
from ...verification import AWS_NITRO_ROOT_PEM, verify_attestation, verify_rsa_pss

if TYPE_CHECKING:
    from collections.abc import Callable

    from eth.abc import ComputationAPI

RSA_PSS_GAS: Final = 20_000
ATTESTATION_GAS: Final = 500_000

_MAX_SIGNATURE_BYTES: Final = 1024
_MAX_DOCUMENT_BYTES: Final = 16 * 1024
_MAX_KEY_BYTES: Final = 8 * 1024
_MAX_CERTIFICATE_BYTES: Final = 8 * 1024
_PEM_START: Final = b"-----BEGIN"


def tee_verifier(computation: ComputationAPI) -> ComputationAPI:
    """Answer a call to the verifier; what is wrong with a key or a document is an answer too.

    Raises:
        Revert: The calldata is neither of the two functions.
        OutOfGas: Less gas is left than the function costs.
    """
    calldata = bytes(computation.msg.data)
    function = _FUNCTIONS.get(calldata[:4])
    if function is None:
        raise Revert(b"")
    function(computation, calldata[4:])
    return computation


def _answer_rsa_pss(computation: ComputationAPI, arguments: bytes) -> None:
    computation.consume_gas(RSA_PSS_GAS, reason="verifyRSAPSS")
    public_key, message, signature = _decoded(("bytes", "bytes32", "bytes"), arguments)
    computation.output = encode(["bool"], [_is_signed(public_key, message, signature)])


def _answer_attestation(computation: ComputationAPI, arguments: bytes) -> None:
    computation.consume_gas(ATTESTATION_GAS, reason="verifyAttestation")
    document, key, certificate, root = _decoded(("bytes", "bytes", "bytes", "bytes"), arguments)
    pcr_hash = _attested_build(document, key, certificate, root, computation.state.timestamp)
    computation.output = encode(["bool", "bytes32"], [pcr_hash is not None, pcr_hash or bytes(32)])


def _is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    if len(signature) > _MAX_SIGNATURE_BYTES:
        return False
    try:
        verify_rsa_pss(public_key, message, signature)
    except SignatureError:
        return False
    return True


def _attested_build(
    document: bytes, key: bytes, certificate: bytes, root: bytes, now: int
) -> bytes | None:
    """Return the PCR hash of a genuine document that binds ``key`` and ``certificate``."""
    sizes_hold = (
        len(document) <= _MAX_DOCUMENT_BYTES
        and len(key) <= _MAX_KEY_BYTES
        and max(len(certificate), len(root)) <= _MAX_CERTIFICATE_BYTES
    )
    if not sizes_hold or (root and not root.startswith(_PEM_START)):
        return None
    try:
        facts = verify_attestation(
            document,
            tls_certificate_der=certificate,
            signing_key_der=key,
            now=now,
            root=root or AWS_NITRO_ROOT_PEM,
        )
    except AttestationError:
        return None
    return facts.pcr_hash


def _decoded(types: tuple[str, ...], arguments: bytes) -> tuple[bytes, ...]:
    try:
        return decode(types, arguments)
    except (DecodingError, OverflowError) as error:
        raise Revert(b"") from error


def _selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]


_FUNCTIONS: Final[dict[bytes, Callable[[ComputationAPI, bytes], None]]] = {
    _selector("verifyRSAPSS(bytes,bytes32,bytes)"): _answer_rsa_pss,
    _selector("verifyAttestation(bytes,bytes,bytes,bytes)"): _answer_attestation,
}
