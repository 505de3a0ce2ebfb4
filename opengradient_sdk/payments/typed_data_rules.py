"""Which typed data is a payment: every member of a Permit2 witness transfer, and nothing besides.

The shape is written out here a second time, on purpose: what the schemes draft is judged by another
hand. Only what has exactly this shape is ever hashed, so that no stranger's data reaches the code
that encodes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from ..profiles import Profile
from ..types import Address, Amount, Fields, TypedData
from .challenge import Offer
from .offer_rules import is_address, same_account
from .refusal import Refusal, shown
from .rules import PaymentRules

_PRIMARY: Final = "PermitWitnessTransferFrom"
_DOMAIN: Final[Fields] = (
    ("name", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
_TRANSFER: Final[Fields] = (
    ("permitted", "TokenPermissions"),
    ("spender", "address"),
    ("nonce", "uint256"),
    ("deadline", "uint256"),
    ("witness", "Witness"),
)
_TOKEN: Final[Fields] = (("token", "address"), ("amount", "uint256"))
_WITNESSES: Final[Mapping[str, Fields]] = {
    "upto": (("to", "address"), ("facilitator", "address"), ("validAfter", "uint256")),
    "exact": (("to", "address"), ("validAfter", "uint256")),
}
_MARGIN: Final = 600
"""Seconds before its signature from which a payment may be valid, so that a chain's clock may lag
(the protocol notes, section 2.4)."""
_DRAFTING: Final = 60
"""Seconds that may pass between a draft and its signature."""
_UINT256: Final = 1 << 256
_HINT: Final = "Use client.payments.authorize, or sign with the bare signer outside the client."

_Path: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Pin:
    """What one member may be."""

    holds: Callable[[object], bool]
    allowed: str


def payment_refusals(
    data: TypedData, offer: Offer, profile: Profile, *, now: float
) -> Iterator[Refusal]:
    """Yield every difference between ``data`` and the payment that ``offer`` asks for.

    The scheme of ``offer`` is known, and its addresses are addresses. ``now`` is in seconds since
    the epoch, by the clock that the payment was drafted with.
    """
    pins = {
        **_network_pins(profile, offer.scheme),
        **_window_pins(now, offer.max_timeout_seconds),
        ("message", "permitted", "amount"): _exactly(offer.amount),
        ("message", "witness", "to"): _account(Address(offer.pay_to)),
    }
    if offer.scheme == "upto":
        facilitator = Address(str(offer.extra.get("facilitatorAddress")))
        pins["message", "witness", "facilitator"] = _account(facilitator)
    return _differences(data, offer.scheme, pins)


def stranger_refusal(
    data: TypedData, profile: Profile, rules: PaymentRules, *, now: float
) -> Refusal | None:
    """Return why ``data`` can be no payment that the rules allow; ``None`` where it could be one.

    Names what it is instead, as far as that can be read. ``now`` is in seconds since the epoch.
    """
    scheme = next((name for name in rules.schemes if data.types == _types(name)), rules.schemes[0])
    limit = rules.cap_on(profile)
    pins = {
        **_network_pins(profile, scheme),
        **_window_pins(now, rules.lifetime_on(profile)),
        ("message", "permitted", "amount"): _between(1, limit, f"at most {Amount(limit)}"),
        ("message", "witness", "to"): _ANY_ACCOUNT,
    }
    if scheme == "upto":
        pins["message", "witness", "facilitator"] = _one_of(rules.facilitators)
    return next(_differences(data, scheme, pins), None)


def ungranted_payment(data: TypedData) -> Refusal:
    """Return the refusal of what looks like a payment and was made by nobody here."""
    return _refused("typed data", _summary(data), "payments made from a checked offer")


def _differences(data: TypedData, scheme: str, pins: Mapping[_Path, _Pin]) -> Iterator[Refusal]:
    if data.primary_type != _PRIMARY:
        yield _refused("primaryType", _summary(data), f"{_PRIMARY} of a checked offer")
    if data.domain_type != _DOMAIN:
        yield _refused("EIP712Domain", _signature(data.domain_type), _signature(_DOMAIN))
    if data.types != _types(scheme):
        yield _refused("types", _structs(data.types), _structs(_types(scheme)))
    said = dict(_members(data))
    for path, pin in pins.items():
        if path not in said:
            yield _refused(_dotted(path), "nothing", pin.allowed)
        elif not pin.holds(said[path]):
            yield _refused(_dotted(path), said[path], pin.allowed)
    for path, value in said.items():
        if path not in pins:
            yield _refused(_dotted(path), value, "no such member")


def _refused(field: str, asked: object, allowed: object) -> Refusal:
    return Refusal(field, asked, allowed, _HINT)


def _network_pins(profile: Profile, scheme: str) -> dict[_Path, _Pin]:
    proxy = profile.upto_proxy if scheme == "upto" else profile.exact_proxy
    return {
        ("domain", "name"): _exactly("Permit2"),
        ("domain", "chainId"): _exactly(profile.payments.chain_id),
        ("domain", "verifyingContract"): _account(profile.permit2),
        ("message", "permitted", "token"): _account(profile.opg),
        ("message", "spender"): _account(proxy),
        ("message", "nonce"): _between(0, _UINT256 - 1, "a number below 2^256"),
    }


def _window_pins(now: float, lifetime: int) -> dict[_Path, _Pin]:
    """Return when a payment may be collected: not long before it is signed, not for ever."""
    present = int(now)
    earliest = max(0, present - _MARGIN - _DRAFTING)
    return {
        ("message", "deadline"): _between(
            present + 1, present + lifetime, f"at most {lifetime} seconds from {present}"
        ),
        ("message", "witness", "validAfter"): _between(
            earliest, present, f"at most {_MARGIN} seconds before {present}"
        ),
    }


def _exactly(wanted: object) -> _Pin:
    # 1 == True == 1.0 in Python, and they are encoded differently
    return _Pin(lambda value: type(value) is type(wanted) and value == wanted, shown(wanted))


def _account(wanted: Address) -> _Pin:
    return _Pin(lambda value: is_address(value) and same_account(value, wanted), wanted)


def _one_of(allowed: tuple[Address, ...]) -> _Pin:
    if not allowed:
        return _ANY_ACCOUNT
    pins = [_account(address) for address in allowed]
    return _Pin(lambda value: any(pin.holds(value) for pin in pins), " or ".join(allowed))


def _between(low: int, high: int, allowed: str) -> _Pin:
    return _Pin(lambda value: type(value) is int and low <= value <= high, allowed)


_ANY_ACCOUNT: Final = _Pin(is_address, "an address")


def _types(scheme: str) -> tuple[tuple[str, Fields], ...]:
    return ((_PRIMARY, _TRANSFER), ("TokenPermissions", _TOKEN), ("Witness", _WITNESSES[scheme]))


def _members(data: TypedData) -> Iterator[tuple[_Path, object]]:
    """Yield every value with the path to it; a struct's members stand for the struct."""
    for name, value in _object(data.domain).items():
        yield ("domain", name), value
    for name, value in _object(data.message).items():
        if name in ("permitted", "witness") and isinstance(value, Mapping):
            for inner, member in _object(cast(object, value)).items():
                yield ("message", name, inner), member
        else:
            yield ("message", name), value


def _object(value: object) -> Mapping[object, object]:
    return cast(Mapping[object, object], value) if isinstance(value, Mapping) else {}


def _dotted(path: _Path) -> str:
    return ".".join(shown(name) for name in path)


def _structs(types: object) -> str:
    """Return the declared structs as EIP-712 writes them; whatever else it is, by its kind."""
    try:
        pairs = cast(tuple[tuple[str, Fields], ...], types)
        return " ".join(f"{shown(name)}{_signature(fields)}" for name, fields in pairs)
    except (TypeError, ValueError):  # made by hand, of something else than pairs
        return shown(types)


def _signature(fields: object) -> str:
    try:
        pairs = cast(Fields, fields)
        return f"({','.join(f'{shown(kind)} {shown(name)}' for name, kind in pairs)})"
    except (TypeError, ValueError):
        return shown(fields)


# Where the well-known requests say which token they move, how much, and who gets it.
_OF_THE_DOMAIN: Final = ("domain", "verifyingContract")
_SPENDING: Final[Mapping[str, tuple[_Path, _Path, _Path]]] = {
    "TransferWithAuthorization": (_OF_THE_DOMAIN, ("message", "value"), ("message", "to")),
    "ReceiveWithAuthorization": (_OF_THE_DOMAIN, ("message", "value"), ("message", "to")),
    "Permit": (_OF_THE_DOMAIN, ("message", "value"), ("message", "spender")),
    "PermitSingle": (
        ("message", "details", "token"),
        ("message", "details", "amount"),
        ("message", "spender"),
    ),
    "PermitTransferFrom": (
        ("message", "permitted", "token"),
        ("message", "permitted", "amount"),
        ("message", "spender"),
    ),
    "PermitWitnessTransferFrom": (
        ("message", "permitted", "token"),
        ("message", "permitted", "amount"),
        ("message", "witness", "to"),
    ),
}


def _summary(data: TypedData) -> str:
    """Return what is asked for in a few words: its kind, and the money where that can be read."""
    kind = shown(data.primary_type)
    paths = _SPENDING.get(kind)
    if paths is None:
        return f"{kind} for {shown(_object(data.domain).get('name'))}"
    token, amount, receiver = (shown(_at(data, path)) for path in paths)
    return f"{kind} of {amount} atoms of {token} to {receiver}"


def _at(data: TypedData, path: _Path) -> object:
    value: object = {"domain": data.domain, "message": data.message}
    for name in path:
        value = _object(value).get(name)
    return value
