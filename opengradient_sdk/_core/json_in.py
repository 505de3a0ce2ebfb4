"""JSON from elsewhere."""

from __future__ import annotations

import json
from typing import cast


def parse_json(text: bytes | str) -> object:
    """Return the value of a JSON text.

    Raises:
        ValueError: Not JSON, not UTF-8, or nested deeper than the interpreter can follow.
    """
    try:
        return cast(object, json.loads(text))
    except RecursionError:
        raise ValueError("nested too deep") from None
