"""The header form of x402 documents: base64 over compact JSON."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from typing import Final, NoReturn, cast

MAX_HEADER_BYTES: Final = 64 * 1024
"""A challenge has about 2 kB; a larger header than this is not read."""
_MAX_CONTAINERS: Final = 500
"""A challenge has about 20 objects and lists; nesting must not reach the recursion limit."""


def decode_header(text: str) -> dict[str, object]:
    """Return the JSON object in a base64 header.

    What is returned can be encoded again: numbers are finite, text is valid Unicode.

    Raises:
        ValueError: Too long, not standard padded base64, not UTF-8 JSON, or not an object.
    """
    if len(text) > MAX_HEADER_BYTES:
        raise ValueError(f"it has {len(text)} bytes, more than {MAX_HEADER_BYTES}")
    try:
        document = base64.b64decode(text, validate=True).decode("utf-8")
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    return decode_object(document)


def decode_object(document: str) -> dict[str, object]:
    """Return the JSON object that ``document`` holds.

    Raises:
        ValueError: Not JSON, not an object, too many of them in it, or not encodable again.
    """
    if document.count("[") + document.count("{") > _MAX_CONTAINERS:
        raise ValueError(f"it has more than {_MAX_CONTAINERS} objects and lists")
    try:
        value = json.loads(document, parse_constant=_not_a_number, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg}") from error
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object is needed, not {type(value).__name__}")
    members = cast(dict[str, object], value)
    if "\\u" in document:
        _check_surrogates(members)
    return members


def encode_header(document: Mapping[str, object]) -> str:
    """Return ``document`` as the value of a header: base64 of compact UTF-8 JSON.

    The order of members is kept and non-ASCII text is not escaped, as the reference client does:
    a node keys its sessions on the exact string.
    """
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return base64.b64encode(text.encode("utf-8")).decode("ascii")


def _not_a_number(name: str) -> NoReturn:
    raise ValueError(f"not JSON: {name}")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"no number is that large: {text[:20]}")
    return number


def _check_surrogates(value: object) -> None:
    """Refuse half a surrogate pair, which JSON can spell and UTF-8 cannot."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("it holds half a surrogate pair") from error
