"""JSON as it comes off a socket: any shape, until looked at."""

from __future__ import annotations

from typing import Any, TypeAlias, TypeGuard

JsonObject: TypeAlias = dict[str, Any]


def is_object(value: object) -> TypeGuard[JsonObject]:
    """Say whether a parsed JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Say whether a parsed JSON value is a list."""
    return isinstance(value, list)


def as_object(value: object) -> JsonObject:
    """Return an object as it is, and an empty one for every other value."""
    return value if is_object(value) else {}


def as_list(value: object) -> list[Any]:
    """Return a list as it is, and an empty one for every other value."""
    return value if is_list(value) else []
