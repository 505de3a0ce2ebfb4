"""Whole answers: JSON, what an answer says, and whether its signature can be had for another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache

from opengradient_sdk._core.canonical_json import canonical_json
from opengradient_sdk._core.json_in import parse_json
from opengradient_sdk.client.reply import usage_of
from opengradient_sdk.errors import VerificationError
from opengradient_sdk.payments.pricing import cost_atoms
from opengradient_sdk.profiles import ModelPrice
from opengradient_sdk.types import Amount, keccak256
from opengradient_sdk.verification.answer import verify_answer
from opengradient_sdk.verification.fields import SignedFields
from opengradient_sdk.verification.output import (
    ChatOutput,
    CompletionText,
    read_chat_answer,
    read_completion_answer,
)
from opengradient_sdk.verification.signature import tee_id_of

from ._checks import check_error
from .conclusion import check_conclusion
from .seeds import vectors

_PRICE = ModelPrice("a provider", Decimal("15"), Decimal("75"))
_OPG_USD = Decimal("0.05")
_READERS: tuple[Callable[[Mapping[str, object]], ChatOutput | CompletionText], ...] = (
    read_chat_answer,
    read_completion_answer,
)


def run(data: bytes) -> None:
    """Read ``data`` as an answer."""
    try:
        value = parse_json(data)
    except ValueError:
        return
    _check_canonical(value)
    check_fields(value)
    if not isinstance(value, dict):
        return
    check_usage(value.get("usage"))
    for read in _READERS:
        try:
            output = read(value)
        except VerificationError as error:
            check_error(error)
        else:
            check_output(output, value)
            if isinstance(output, ChatOutput):
                check_conclusion(value, output, value.get("usage"))


def check_usage(reported: object) -> None:
    """Raise where believed token counts have no cost that can be told."""
    usage = usage_of(reported)
    if usage is None:
        return
    cost = cost_atoms(_PRICE, usage.prompt_tokens, usage.completion_tokens, _OPG_USD)
    assert cost is not None
    assert cost < 2**256, "no chain holds that much"
    f"{usage} {Amount(cost)}".encode()


def check_fields(value: object) -> SignedFields | None:
    """Return the signed members, where they can be read."""
    try:
        return SignedFields.from_json(value)
    except VerificationError as error:
        check_error(error)
        return None


def check_output(output: ChatOutput | CompletionText, signed: object) -> None:
    """Raise where an output that no node signed passes as signed."""
    text = output.signed_text
    "".join(output.uncovered).encode("utf-8", "backslashreplace")
    fields = check_fields(signed)
    if fields is None:
        return
    requests, outputs, key = _honest()
    try:
        verify_answer(
            request_body=requests.get(fields.request_hash, {"model": "m", "prompt": "p"}),
            answer_fields=fields,
            output_text=text,
            public_key_der=key,
            expected_tee_id=tee_id_of(key),
            now=float(fields.timestamp),
        )
    except VerificationError as error:
        check_error(error)
    else:
        assert keccak256(text.encode()).hex() in outputs, "an output is proven that nobody signed"


@cache
def _honest() -> tuple[Mapping[str, Mapping[str, object]], frozenset[str], bytes]:
    """Return the requests by their hashes, the hashes of signed outputs, and the node's key."""
    cases = vectors("response_verify")
    answers = [
        (case, case.get("response") or case.get("final_frame")) for case in cases["responses"]
    ]
    signed = [(case, answer) for case, answer in answers if answer]
    return (
        {answer["tee_request_hash"]: case["request_body"] for case, answer in signed},
        frozenset(answer["tee_output_hash"] for _, answer in signed),
        bytes.fromhex(cases["keys"]["key1"]["public_key_der_hex"]),
    )


def _check_canonical(value: object) -> None:
    try:
        text = canonical_json(value)
    except ValueError:
        return
    assert canonical_json(parse_json(text)) == text, "canonical JSON is not its own canonical form"
