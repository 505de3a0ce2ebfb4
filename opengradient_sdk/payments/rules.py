"""What the owner of a key allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, cast

from ..errors import ConfigurationError
from ..profiles import Profile
from ..types import Address
from .refusal import shown

SCHEMES: Final = ("upto", "exact")
"""The x402 schemes that can be allowed: the ones whose typed data the policy knows to judge."""

_LIMITS: Final = ("max_authorization", "max_lifetime", "max_approval")


@dataclass(frozen=True, slots=True)
class PaymentRules:
    """What the owner of the key allows beyond the profile's defaults.

    ``max_authorization`` (the cap of one authorization) and ``max_approval`` are atoms of OPG,
    ``max_lifetime`` is in seconds; ``None`` means the profile's. ``recipients`` are paid beside the
    registered address of a node. ``facilitators`` is an allow-list when it is not empty.

    Raises:
        ConfigurationError: A limit is not a whole number above zero, a list of accounts holds
            something else, or a scheme is not known.
    """

    recipients: tuple[Address, ...] = ()
    facilitators: tuple[Address, ...] = ()
    schemes: tuple[str, ...] = ("upto",)
    max_authorization: int | None = None
    max_lifetime: int | None = None
    max_approval: int | None = None

    def __post_init__(self) -> None:
        for name in _LIMITS:
            _check_limit(name, getattr(self, name))
        for name in ("recipients", "facilitators"):
            object.__setattr__(self, name, _accounts(name, getattr(self, name)))
        _check_schemes(self.schemes)

    def cap_on(self, profile: Profile) -> int:
        """Return the most that one authorization may be worth, in atoms of OPG."""
        return self.max_authorization or profile.max_authorization

    def lifetime_on(self, profile: Profile) -> int:
        """Return the seconds for which an authorization may stay valid."""
        return self.max_lifetime or profile.max_lifetime


def _check_limit(name: str, limit: object) -> None:
    if limit is not None and (type(limit) is not int or limit <= 0):
        raise ConfigurationError(
            f"PaymentRules({name}={shown(limit)}) is no limit",
            hint="Pass a whole number above zero (atoms or seconds), "
            "or nothing for the network's own limit.",
        )


def _accounts(name: str, value: object) -> tuple[Address, ...]:
    """Return the addresses in ``value``; one text would be read as a list of characters."""
    hint = f"Pass {name}=(Address('0x…'),)."
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ConfigurationError(
            f"PaymentRules({name}={value!r}) is no list of accounts", hint=hint
        )
    try:
        return tuple(Address(str(one)) for one in cast(Iterable[object], value))
    except ValueError as error:
        raise ConfigurationError(f"PaymentRules({name}=…): {error}", hint=hint) from error


def _check_schemes(schemes: object) -> None:
    names = cast(tuple[object, ...], schemes) if isinstance(schemes, tuple) else ()
    if not names or not all(name in SCHEMES for name in names):
        raise ConfigurationError(
            f"PaymentRules(schemes={schemes!r}) names no known way to pay",
            hint=f"Pass a tuple of {' and '.join(repr(name) for name in SCHEMES)}.",
        )
