"""What parsed JSON may be, told to the type checkers: every reader of foreign JSON starts here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether ``value`` is a JSON object."""
    return isinstance(value, dict) or isinstance(value, Mapping)  # noqa: SIM101 - the first is fast


def is_array(value: object) -> TypeGuard[Sequence[object]]:
    """Tell whether ``value`` is a JSON array (a tuple is written as one)."""
    return isinstance(value, list | tuple)
