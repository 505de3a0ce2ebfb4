"""Which members of a bundle the checks bind, and which could be others without anybody noticing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast


def covered_and_not(
    bundle: Mapping[str, Any], bound: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the JSON paths of a bundle's members that are bound, and of those that are not.

    ``bound`` has the paths that checks bind, each with everything below it. A list is one member.
    """
    covered: list[str] = []
    uncovered: list[str] = []
    for path in _members(bundle, ""):
        (covered if _is_bound(path, bound) else uncovered).append(path)
    return tuple(covered), tuple(uncovered)


def _members(value: Mapping[str, Any], above: str) -> Iterator[str]:
    for name, member in value.items():
        if isinstance(member, dict):
            yield from _members(cast(Mapping[str, Any], member), f"{above}{name}.")
        else:
            yield above + name


def _is_bound(path: str, bound: Collection[str]) -> bool:
    while path not in bound:
        path, dot, _ = path.rpartition(".")
        if not dot:
            return False
    return True
