"""The answer: did this key sign this output for this request? (the protocol notes, 4.1 to 4.4)."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Final, TypeGuard

from ..._core.json_in import parse_json
from ...errors import (
    OutputHashError,
    RequestHashError,
    SignatureError,
    VerificationError,
)
from ...types import keccak256
from ...verification import (
    answer_statement,
    tee_id_of,
    verify_rsa_pss,
)
from .findings import Findings
from .form import Bundle, StatementPart

_CHAT: Final = "/v1/chat/completions"
_KEY: Final = "registry.record.public_key"


def check_answer(bundle: Bundle, findings: Findings) -> None:
    """Check the node's statement: whose it is, and that question and answer are those it names.

    Raises:
        VerificationError: The key is another node's, or the call names another model or route.
        RequestHashError, OutputHashError: Something else was signed.
        SignatureError: The signature is not this key's.
    """
    statement = bundle.statement
    if statement is None:
        for name in ("tee_id", "request_hash", "output_hash", "signature"):
            findings.left_open(name, "the node's statement is left out")
        return
    key = None if bundle.registry is None else bytes.fromhex(bundle.registry.record.public_key[2:])
    _check_identity(statement, key, findings)
    _check_request(bundle, statement, findings)
    _check_output(bundle, statement, findings)
    _check_signature(statement, key, findings)


def signature_bytes(statement: StatementPart) -> bytes:
    """Return the statement's signature.

    Raises:
        ValueError: It is not base64, or not in its one canonical form.
    """
    return canonical_base64(statement.signature)


def canonical_base64(text: str) -> bytes:
    """Return the bytes that ``text`` is the one canonical base64 of.

    Raises:
        ValueError: It is not. (A decoder ignores the last digit's spare bits.)
    """
    raw = binascii.a2b_base64(text, strict_mode=True)
    if binascii.b2a_base64(raw, newline=False).decode() != text:
        raise ValueError("not in its canonical form")
    return raw


def _check_identity(statement: StatementPart, key: bytes | None, findings: Findings) -> None:
    if key is None:
        findings.left_open("tee_id", "the node's key is left out with its registry record")
        return
    actual = tee_id_of(key)
    if str(actual) != statement.tee_id:
        reason = f"the key is of node {actual}, the statement of {statement.tee_id}"
        raise findings.refusal(VerificationError, "tee_id", reason)
    findings.passed("tee_id", "the key is that of the node", "statement.tee_id", _KEY)


def _check_request(bundle: Bundle, statement: StatementPart, findings: Findings) -> None:
    text = bundle.request.canonical
    if text is None:
        findings.left_open("request_hash", "the request is left out; its hash is signed")
        return
    if keccak256(text.encode()).hex() != statement.request_hash[2:]:
        reason = "the node signed another request"
        raise findings.refusal(RequestHashError, "request_hash", reason)
    findings.passed(
        "request_hash",
        "the request is the one signed",
        "statement.request_hash",
        "request.canonical",
    )
    model, is_chat = _asked_for(text)
    if model != bundle.call.model or is_chat != (bundle.call.route == _CHAT):
        reason = "the request asks for another model or route"
        raise findings.refusal(VerificationError, "call", reason)
    findings.passed("call", "model and route are those of the request", "call")


def _asked_for(text: str) -> tuple[object, bool]:
    """Return the model that a canonical request names, and whether it is a chat."""
    try:
        request = parse_json(text)
    except ValueError:
        return None, False
    return (request.get("model"), "messages" in request) if is_object(request) else (None, False)


def _check_output(bundle: Bundle, statement: StatementPart, findings: Findings) -> None:
    text = bundle.output.text
    if text is None:
        findings.left_open("output_hash", "the output is left out; its hash is signed")
        return
    if keccak256(text.encode()).hex() != statement.output_hash[2:]:
        raise findings.refusal(OutputHashError, "output_hash", "the node signed another output")
    findings.passed(
        "output_hash", "the output is the one signed", "statement.output_hash", "output.text"
    )


def _check_signature(statement: StatementPart, key: bytes | None, findings: Findings) -> None:
    if key is None:
        findings.left_open("signature", "the node's key is left out with its registry record")
        return
    signed = answer_statement(
        bytes.fromhex(statement.request_hash[2:]),
        bytes.fromhex(statement.output_hash[2:]),
        statement.timestamp,
    )
    try:
        verify_rsa_pss(key, signed, signature_bytes(statement))
    except SignatureError as error:
        raise findings.refusal(SignatureError, "signature", error.short_message) from None
    except ValueError as error:
        raise findings.refusal(SignatureError, "signature", f"not base64: {error}") from None
    findings.passed("signature", "RSA-PSS by the node's key", "statement")


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether a parsed value is a JSON object."""
    return isinstance(value, dict)
