"""The verification of one answer: is this what the registered node signed, for this request?

The steps are those of the protocol notes, section 4.4, in their order, then freshness. Success
returns evidence, failure raises with the evidence that was gathered, the failed check last.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from ..errors import OutputHashError, RequestHashError, SignatureError, VerificationError
from ..types import Bytes32, keccak256
from .canonical import Mode, request_hashes
from .evidence import Check, CheckStatus, Evidence
from .fields import SignedFields
from .signature import answer_statement, tee_id_of, verify_rsa_pss

MAX_AGE: Final = 300.0
"""Seconds that an answer's time may lie behind ours: as long as a payment session lives."""
MAX_AHEAD: Final = 300.0
"""Seconds that a node's clock may be ahead of ours: what nodes allow for their own heartbeats."""

_NODE: Final = "the node's answer"
_KEY: Final = "the id computed here from the key"
# evidence outlives content that is forgotten, so it never repeats a hash or a text
_REQUEST_SOURCE: Final = "the hash computed here from the body as it was sent"
_OUTPUT_SOURCE: Final = "the hash computed here from the output as it arrived"

# made once: an honest answer costs no new objects but its freshness
_FIELDS = Check("fields", CheckStatus.PASSED, "all signed members are there", _NODE)
_IDENTITY = Check("tee_id", CheckStatus.PASSED, "the key is that of the expected node", _KEY)
_OUTPUT = Check("output_hash", CheckStatus.PASSED, "the output is the one signed", _OUTPUT_SOURCE)


def verify_answer(
    *,
    request_body: Mapping[str, object],
    answer_fields: SignedFields,
    output_text: str,
    public_key_der: bytes,
    expected_tee_id: Bytes32,
    now: float,
    max_age: float = MAX_AGE,
    max_ahead: float = MAX_AHEAD,
) -> Evidence:
    """Return the evidence that the expected node signed this output for this request, just now.

    Money: costs nothing. Trust: proves SIGNED; that the key belongs to an active node is for the
    registry to say, and what the signature leaves out is listed by ``ChatOutput.uncovered`` and
    ``uncovered_request``. The statement has no nonce of the client: an answer to the same request
    can be replayed by whoever breaks the channel, within ``max_age``.

    Args:
        request_body: The body as it was sent.
        answer_fields: The ``tee_*`` members of the answer.
        output_text: The text that is hashed: ``signed_text`` of the output.
        public_key_der: The node's key as the registry has it.
        expected_tee_id: The node that was asked.
        now: Unix seconds when the answer arrived.
        max_age: Seconds that the answer's time may lie behind ``now``.
        max_ahead: Seconds that it may lie ahead of ``now``.

    Raises:
        RequestHashError: Another request was signed.
        OutputHashError: Another output was signed.
        SignatureError: The signature, its base64 or the key is not valid.
        VerificationError: Another node answered, or the answer is not fresh.
    """
    trail = _Trail(_FIELDS)
    trail.add(_identity(answer_fields, public_key_der, expected_tee_id), VerificationError)
    trail.add(_request(answer_fields, request_body), RequestHashError)
    trail.add(_output(answer_fields, output_text), OutputHashError)
    trail.add(_signature(answer_fields, public_key_der), SignatureError)
    trail.add(_freshness(answer_fields, now, max_age, max_ahead), VerificationError)
    return trail.evidence


class _Trail:
    """The checks so far; a failed one ends it."""

    __slots__ = ("_checks",)

    def __init__(self, *checks: Check) -> None:
        self._checks = checks

    @property
    def evidence(self) -> Evidence:
        return Evidence(self._checks)

    def add(self, check: Check, error: type[VerificationError]) -> None:
        self._checks = (*self._checks, check)
        if check.status is CheckStatus.FAILED:
            raise error(
                f"the answer is not verified: {check.reason}",
                hint="do not use this answer; another node may answer honestly",
                evidence=self.evidence,
            )


def _identity(fields: SignedFields, public_key_der: bytes, expected: Bytes32) -> Check:
    actual = tee_id_of(public_key_der)
    if fields.tee_id != actual.hex():
        reason = f"it claims node {fields.tee_id[:64]!r}, the key is of {actual}"
        return _failed("tee_id", reason, _KEY)
    if actual != expected:
        return _failed("tee_id", f"node {actual} answered, {expected} was asked", _KEY)
    return _IDENTITY


def _request(fields: SignedFields, body: Mapping[str, object]) -> Check:
    for mode, digest in request_hashes(body):
        if digest.hex() == fields.request_hash:
            form = (
                " (in the form of April 2026)"
                if mode is Mode.APRIL and "prompt" not in body
                else ""
            )
            reason = f"the request is the one signed{form}"
            return Check("request_hash", CheckStatus.PASSED, reason, _REQUEST_SOURCE)
    reason = "the node signed another request than the one sent"
    return _failed("request_hash", reason, _REQUEST_SOURCE)


def _output(fields: SignedFields, output_text: str) -> Check:
    try:
        digest = keccak256(output_text.encode())
    except UnicodeEncodeError:
        return _failed("output_hash", "the output has no UTF-8 form (a lone surrogate)", _NODE)
    if digest.hex() != fields.output_hash:
        reason = "the node signed another output than the one received"
        return _failed("output_hash", reason, _OUTPUT_SOURCE)
    return _OUTPUT


def _signature(fields: SignedFields, public_key_der: bytes) -> Check:
    # the two hashes were found equal to ours before, so they are 32 bytes of hex
    statement = answer_statement(
        bytes.fromhex(fields.request_hash), bytes.fromhex(fields.output_hash), fields.timestamp
    )
    signed = _signed_by(tee_id_of(public_key_der))
    try:
        verify_rsa_pss(public_key_der, statement, _strict_base64(fields.signature))
    except ValueError as error:
        return _failed("signature", f"tee_signature is not base64: {error}", _NODE)
    except SignatureError as error:
        return _failed("signature", error.short_message, signed.source)
    return signed


@lru_cache(maxsize=256)  # bounded, as keys come from the registry
def _signed_by(tee_id: Bytes32) -> Check:
    source = f"the key of node {tee_id}"
    return Check("signature", CheckStatus.PASSED, "RSA-PSS by the node's key", source)


def _strict_base64(text: str) -> bytes:
    raw = binascii.a2b_base64(text, strict_mode=True)
    # a decoder ignores the last digit's spare bits: one signature would have several texts
    if binascii.b2a_base64(raw, newline=False).decode() != text:
        raise ValueError("not in its canonical form")
    return raw


def _freshness(fields: SignedFields, now: float, max_age: float, max_ahead: float) -> Check:
    age = now - fields.timestamp
    clocks = f"the node's clock said {fields.timestamp}, this one {now:.3f}"
    if not age <= max_age:  # so that a time that is no number is not fresh
        return _failed("freshness", f"signed {age:.0f} s ago, more than {max_age:.0f} s", clocks)
    if -age > max_ahead:
        return _failed("freshness", f"signed {-age:.0f} s in the future of this clock", clocks)
    return Check("freshness", CheckStatus.PASSED, f"signed {age:.0f} s ago", clocks)


def _failed(name: str, reason: str, source: str) -> Check:
    return Check(name, CheckStatus.FAILED, reason, source)
