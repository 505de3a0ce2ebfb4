"""The one JSON text of a value: what nodes hash and sign, and what is compared with it here.

The text is that of Python's ``json.dumps(value, sort_keys=True)``: keys sorted by code point at
every depth, separators ``", "`` and ``": "``, ASCII only (everything outside 0x20–0x7E is escaped),
integers plain, floats in their shortest form that reads back equal. What has no such text of its
own is refused: NaN, the infinities, and keys that JSON would silently turn into strings.
"""

from __future__ import annotations

import json
from typing import Final, cast

MAX_DEPTH: Final = 200
"""Levels of nesting: the encoder recurses in C, where too many end the process."""

_encode = json.JSONEncoder(sort_keys=True, allow_nan=False).encode


def canonical_json(value: object) -> str:
    """Return the canonical JSON text of ``value``: equal values have equal texts.

    Tuples are written as lists; 1 and 1.0 are different texts.

    Raises:
        ValueError: A NaN or infinity, a key that is not a string, a value JSON cannot express, a
            cycle, or more than 200 levels of nesting.

    Example:
        >>> canonical_json({"model": "gpt-5", "max_tokens": 5, "temperature": 0.0})
        '{"max_tokens": 5, "model": "gpt-5", "temperature": 0.0}'
    """
    _require_shape(value, MAX_DEPTH)
    try:
        return _encode(value)
    except TypeError as error:
        raise ValueError(f"no canonical JSON: {error}") from error


def _require_shape(value: object, levels: int) -> None:
    # the encoder writes the key 1 as "1": two different objects would share one hash
    if levels < 0:
        raise ValueError(f"no canonical JSON: more than {MAX_DEPTH} levels, or a cycle")
    if isinstance(value, dict):
        members = cast(dict[object, object], value)
        for key, member in members.items():
            if not isinstance(key, str):
                raise ValueError(f"no canonical JSON: the key {key!r} is not a string")
            _require_shape(member, levels - 1)
    elif isinstance(value, list | tuple):
        for item in cast(list[object], value):
            _require_shape(item, levels - 1)
