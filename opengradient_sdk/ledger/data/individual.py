"""What the blob of an individual settlement holds: question and answer, in public."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from ..._core.json_in import parse_json
from ...errors import ConfigurationError, SettlementError, VerificationError
from ...types import keccak256
from ...verification import Check, CheckStatus, SignedFields
from ...verification.canonical import request_hashes
from ...verification.output import read_chat_answer, read_completion_answer
from ..receipt import Receipt
from .blobs import BlobReader, Lack, Unreadable

NAME: Final = "data_blob"
"""The name of the check."""


async def individual_blob_check(receipt: Receipt, blobs: BlobReader) -> Check | None:
    """Return whether the blob of an individual settlement holds the question and the answer.

    It is a check of its own: the event on chain carries the node's statement, the blob only what
    the facilitator stored. ``None`` where nothing was settled on its own. A streamed answer's blob
    holds only the stream's final frame (the protocol notes, S18), which is said and no failure.

    **Money**: free. **Trust**: the hashes that the node signed decide.
    """
    proof, signed = receipt.data.proof, receipt.signed
    if proof is None or proof.mode != "individual" or signed is None:
        return None
    found = await blobs.read(proof.blob_id, lambda blob: _checked(blob, signed, receipt.route))
    source = f"blob {proof.blob_id}"
    if not isinstance(found, Unreadable):
        status, reason = found
        return Check(NAME, status, reason, source)
    refused = found.lack is Lack.REFUSED
    status = CheckStatus.FAILED if refused else CheckStatus.NOT_CHECKED
    return Check(NAME, status, f"the blob cannot be used: {found}", source)


def _checked(blob: bytes, signed: SignedFields, route: str) -> tuple[CheckStatus, str]:
    """Return what the blob shows.

    Raises:
        SettlementError: It is another one; the next store may hold the right one.
    """
    held = _object(_json(blob))
    request, answer = _object(held.get("input")), _object(held.get("output"))
    _require_request(request, signed)
    if _is_final_frame(answer):
        return CheckStatus.NOT_CHECKED, "it holds the question, and of the stream the last frame"
    _require_output(answer, signed, route)
    return CheckStatus.PASSED, "it holds the question and the answer that the node signed"


def _require_request(request: Mapping[str, object], signed: SignedFields) -> None:
    try:
        hashes = {one.digest.hex() for one in request_hashes(request)}
    except ConfigurationError as error:
        raise SettlementError(f"a question without a hash ({error.short_message})") from error
    if signed.request_hash not in hashes:
        raise SettlementError("another question than the node signed")


def _require_output(answer: Mapping[str, object], signed: SignedFields, route: str) -> None:
    read = read_chat_answer if route.endswith("/chat/completions") else read_completion_answer
    try:
        text = read(answer).signed_text.encode()
    except VerificationError as error:
        raise SettlementError(f"an unreadable answer ({error.short_message})") from error
    except UnicodeEncodeError:
        raise SettlementError("an answer that has no UTF-8 form") from None
    if keccak256(text).hex() != signed.output_hash:
        raise SettlementError("another answer than the node signed")


def _is_final_frame(answer: Mapping[str, object]) -> bool:
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        return False
    first = cast("list[object]", choices)[0]
    return isinstance(first, Mapping) and "delta" in first


def _json(blob: bytes) -> object:
    try:
        return parse_json(blob)
    except ValueError as error:
        raise SettlementError(f"not JSON ({error})") from error


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise SettlementError("no blob of an individual settlement")
    return cast("Mapping[str, object]", value)
