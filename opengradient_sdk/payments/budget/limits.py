"""``Budget``: what its owner allows to be spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from math import inf
from typing import Final, TypeAlias, cast

from ...errors import ConfigurationError
from ...types import OPG_DECIMALS, Address, Amount
from .pools import Limits, Pool

Money: TypeAlias = Amount | str | int | Decimal
UNLIMITED: Final = "unlimited"

_LONGEST_NAME: Final = 64


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Budget:
    """What may be spent: in all, by one call, within a time, under a tag.

    **Money**: ``total`` is exact and counts exposure. The whole cap of every authorization is
    reserved before it is signed, stays reserved while its outcome is unknown, and is replaced by
    the real charge when the chain shows it. ``per_call`` and ``tags`` are held to *estimates*: the
    most that a call's tokens can cost at the published prices. A dishonest node can charge more
    than an estimate, and never more than the cap that was signed.

    All clients of one wallet and network on one store share the budget, and none of them overshoots
    it; each holds the sum to its own limits. Without a ``name`` it begins anew with the next client
    once all are closed and nothing that they signed can be collected any more. With a ``name`` it
    counts for ever, or for its ``window``: then only authorizations signed within the last
    so many seconds of the client's clock count, and all that are open.

    Amounts are ``"0.1 OPG"``, a ``Decimal`` of tokens, an ``int`` of atoms or an ``Amount``.
    ``window`` is in seconds, or a ``timedelta``. Tags are counted whatever the window.

    Raises:
        ConfigurationError: A member cannot be used; the message names it.
        TypeError: An amount is a float: floats lose atoms.

    Example:
        >>> from opengradient_sdk.payments.budget import Budget
        >>> Budget("5 OPG", per_call="0.02 OPG", window=3600, name="nightly-evals")
        Budget('5 OPG', per_call='0.02 OPG', window=3600.0, name='nightly-evals')
    """

    total: Amount | None
    per_call: Amount | None
    window: float | None
    name: str | None
    _tags: tuple[tuple[str, Amount], ...]

    def __init__(
        self,
        total: Money,
        *,
        per_call: Money | None = None,
        window: float | timedelta | None = None,
        name: str | None = None,
        tags: Mapping[str, Money] | None = None,
    ) -> None:
        limited = total != UNLIMITED
        members = {
            "total": _amount("total", total) if limited else None,
            "per_call": None if per_call is None else _amount("per_call", per_call),
            "window": None if window is None else _seconds(window),
            "name": None if name is None else _text("name", name),
            "_tags": _tag_limits({} if tags is None else tags),
        }
        for member, value in members.items():
            object.__setattr__(self, member, value)

    @property
    def tags(self) -> dict[str, Amount]:
        """The most that calls under a tag may cost together, by estimate."""
        return dict(self._tags)

    def check_cap(self, cap: int) -> None:
        """Return if the total covers at least one authorization of ``cap`` atoms.

        Raises:
            ConfigurationError: It never could: nothing can be paid under this budget.
        """
        if self.total is not None and self.total.atoms < cap:
            raise ConfigurationError(
                f"a budget of {self.total} covers no call: an authorization reserves its whole cap"
                f" of {Amount(cap)}, whatever the call costs",
                hint="The rest of the cap comes back when the chain shows the charge. "
                f'Pass at least budget="{Amount(cap)}".',
            )

    def pool_of(self, owner: Address, network: str) -> Pool:
        """Return the pool that a client of this wallet and network counts in."""
        return Pool(owner, network, self.name or "")

    def limits(self) -> Limits:
        """Return what a pool is held to, in atoms."""
        return Limits(
            total=None if self.total is None else self.total.atoms,
            window=self.window,
            tags={tag: limit.atoms for tag, limit in self._tags},
        )

    def __repr__(self) -> str:
        if not hasattr(self, "_tags"):  # a traceback also shows one whose arguments were refused
            return "Budget(refused)"
        members = {
            "per_call": None if self.per_call is None else str(self.per_call),
            "window": self.window,
            "name": self.name,
            "tags": {tag: str(limit) for tag, limit in self._tags} or None,
        }
        total = UNLIMITED if self.total is None else str(self.total)
        given = [f", {name}={value!r}" for name, value in members.items() if value is not None]
        return f"Budget({total!r}{''.join(given)})"


def _amount(member: str, value: object) -> Amount:
    if value is None or value == UNLIMITED:
        raise ConfigurationError(
            f"budget: {member} is {value!r}",
            hint='Name an amount such as "1 OPG"; only total can be "unlimited".',
        )
    try:
        amount = Amount.parse(cast(Money, value))
    except ValueError as error:
        raise ConfigurationError(
            f"budget: {member}: {error}", hint='Write for example Budget("1 OPG").'
        ) from None
    if amount.atoms < 0 or amount.decimals != OPG_DECIMALS:  # an Amount can be of anything
        raise ConfigurationError(
            f"budget: {member} is {amount} of {amount.decimals} decimals",
            hint=f"Amounts are not negative, and OPG has {OPG_DECIMALS} decimals.",
        )
    return amount


def _seconds(window: object) -> float:
    seconds = window.total_seconds() if isinstance(window, timedelta) else window
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < inf:
        raise ConfigurationError(
            f"budget: window is {window!r}", hint="Pass seconds above zero, or a timedelta."
        )
    return float(seconds)


def _text(member: str, value: object) -> str:
    if not isinstance(value, str) or not _is_name(value):
        raise ConfigurationError(
            f"budget: {member} is {str(value)[: 2 * _LONGEST_NAME]!r}",
            hint=f"Pass up to {_LONGEST_NAME} printable characters, no space at either end.",
        )
    return value


def _is_name(text: str) -> bool:
    fits = 0 < len(text) <= _LONGEST_NAME
    return fits and text.isprintable() and text == text.strip()


def _tag_limits(tags: object) -> tuple[tuple[str, Amount], ...]:
    if not isinstance(tags, Mapping):
        raise ConfigurationError(
            f"budget: tags is a {type(tags).__name__}", hint='Pass tags={"a-tag": "1 OPG"}.'
        )
    limits = cast(Mapping[object, object], tags)
    return tuple((_text("a tag", tag), _amount(f"tag {tag!r}", limits[tag])) for tag in limits)
