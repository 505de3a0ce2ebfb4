"""Reading a bundle strictly: one document, one meaning, or no bundle at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from pydantic import ValidationError

from ..._core.json_in import parse_json
from ...errors import VerificationError
from .findings import Findings
from .form import SCHEMA, Bundle

__all__ = ["MAX_BYTES", "SCHEMA", "read_bundle"]

MAX_BYTES: Final = 32 * 1024 * 1024
"""The longest bundle that is looked at (bytes)."""
_MANY: Final = 1_000  # brackets: fewer cannot be nested deeper than the decoder can follow


def read_bundle(
    bundle: Mapping[str, object] | str | bytes, findings: Findings
) -> tuple[dict[str, Any], Bundle]:
    """Return a bundle as it was parsed, and as its typed members.

    Refused, as the failed check ``schema``: what is not UTF-8 or not JSON, a member that is unknown
    or there twice, a value of the wrong kind, spelling or range, NaN and infinities, half a
    surrogate pair, more than ``MAX_BYTES``.

    Raises:
        VerificationError: It is not a bundle; the evidence says why.
    """
    try:
        value = _parse(_text(bundle))
        document = Bundle.model_validate(value)
    except ValidationError as error:
        raise findings.refusal(VerificationError, "schema", _first(error)) from None
    except (ValueError, TypeError, RecursionError) as error:
        raise findings.refusal(
            VerificationError, "schema", f"not a JSON document: {_told(error)}"
        ) from None
    findings.passed("schema", f"every member is one of {SCHEMA}", "schema")
    return cast(dict[str, Any], value), document


def _text(bundle: Mapping[str, object] | str | bytes) -> str:
    if isinstance(bundle, str):
        text = bundle
    elif isinstance(bundle, bytes):
        text = bundle.decode()
    else:
        text = json.dumps(dict(bundle), allow_nan=False, ensure_ascii=False)
    if len(text) > MAX_BYTES or (not text.isascii() and len(text.encode()) > MAX_BYTES):
        raise ValueError(f"longer than {MAX_BYTES} bytes")
    if text.count("[") + text.count("{") > _MANY:
        parse_json(text)  # refuses what is nested too deep to be read
    return text


def _parse(text: str) -> object:
    value: object = _decode(text)
    if "\\u" in text:
        # an escape can spell half a surrogate pair: text that has no bytes, so nothing to hash
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _no_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


_decode: Final = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant).decode


def _first(error: ValidationError) -> str:
    """Return where the first fault is and what it is, without the value: it may be content."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(step) for step in found["loc"]) or "the document"
    return f"{where}: {found['msg']}"


def _told(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "text that has no UTF-8 form"
    if isinstance(error, RecursionError):
        return "nested too deep"
    return str(error)[:200]
