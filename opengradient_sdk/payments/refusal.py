"""How the policy says no."""

from __future__ import annotations

from ..errors import PolicyRejectedError


def refused(field: str, asked: object, allowed: object, hint: str) -> PolicyRejectedError:
    """Return the error for a ``field`` that is ``asked`` where only ``allowed`` is signed."""
    return PolicyRejectedError(
        f"refused to sign: {field} is {asked}, allowed is {allowed}",
        field=field,
        asked=asked,
        allowed=allowed,
        hint=hint,
    )
