"""The one JSON text of a value: what nodes hash and sign, and what is compared with it here.

The text is that of Python's ``json.dumps(value, sort_keys=True)``: keys sorted by code point at
every depth, separators ``", "`` and ``": "``, ASCII only (everything outside 0x20–0x7E is escaped),
integers plain, floats in their shortest form that reads back equal. What has no such text of its
own is refused: NaN, the infinities, and keys that JSON would silently turn into strings.
"""

from __future__ import annotations

import json
from typing import cast

_encode = json.JSONEncoder(sort_keys=True, allow_nan=False).encode


def canonical_json(value: object) -> str:
    """Return the canonical JSON text of ``value``: equal values have equal texts.

    Tuples are written as lists; 1 and 1.0 are different texts.

    Raises:
        ValueError: A NaN or infinity, a key that is not a string, a value JSON cannot express, a
            cycle, or more nesting than the interpreter can follow.

    Example:
        >>> canonical_json({"model": "gpt-5", "max_tokens": 5, "temperature": 0.0})
        '{"max_tokens": 5, "model": "gpt-5", "temperature": 0.0}'
    """
    try:
        text = _encode(value)
        _require_text_keys(value)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"no canonical JSON: {error}") from error
    return text


def _require_text_keys(value: object) -> None:
    # the encoder writes the key 1 as "1": two different objects would share one hash
    if isinstance(value, dict):
        members = cast(dict[object, object], value)
        for key, member in members.items():
            if not isinstance(key, str):
                raise ValueError(f"no canonical JSON: the key {key!r} is not a string")
            _require_text_keys(member)
    elif isinstance(value, list | tuple):
        for item in cast(list[object], value):
            _require_text_keys(item)
