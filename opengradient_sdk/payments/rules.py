"""What the owner of a key allows."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigurationError
from ..types import Address


@dataclass(frozen=True, slots=True)
class PaymentRules:
    """What the owner of the key allows beyond the profile's defaults.

    ``max_authorization`` and ``max_approval`` are atoms of OPG, ``max_lifetime`` is in seconds;
    ``None`` means the profile's. ``facilitators`` is an allow-list when it is not empty.

    Raises:
        ConfigurationError: A limit is not a whole number above zero.
    """

    recipients: tuple[Address, ...] = ()
    facilitators: tuple[Address, ...] = ()
    schemes: tuple[str, ...] = ("upto",)
    max_authorization: int | None = None
    max_lifetime: int | None = None
    max_approval: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_authorization", "max_lifetime", "max_approval"):
            limit = getattr(self, name)
            if limit is not None and (type(limit) is not int or limit <= 0):
                raise ConfigurationError(
                    f"PaymentRules({name}={limit!r}) is no limit",
                    hint="Pass a whole number above zero (atoms or seconds), "
                    "or nothing for the network's own limit.",
                )
