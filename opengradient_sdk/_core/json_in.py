"""JSON from elsewhere."""

from __future__ import annotations

import json
import re
import sys
from typing import Final, cast

_DEEPEST: Final = 3_000
"""Levels that the decoder, which recurses in C, can surely follow on any thread's stack."""

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)


def parse_json(text: bytes | str) -> object:
    """Return the value of a JSON text.

    Raises:
        ValueError: Not JSON, not UTF-8, or nested deeper than the interpreter can follow.
    """
    # the interpreter's own limit is enough, unless somebody (py-evm does) has raised it
    if sys.getrecursionlimit() > _DEEPEST and _may_be_too_deep(text):
        raise ValueError("nested too deep")
    try:
        return cast(object, json.loads(text))
    except RecursionError:
        raise ValueError("nested too deep") from None


def _may_be_too_deep(text: bytes | str) -> bool:
    data = text.encode(errors="replace") if isinstance(text, str) else text
    if data.count(b"[") + data.count(b"{") <= _DEEPEST:
        return False
    depth = 0
    for token in _TOKEN.finditer(data):
        first = token[0][:1]
        if first in b"[{":
            depth += 1
            if depth > _DEEPEST:
                return True
        elif first in b"]}":
            depth -= 1
    return False
