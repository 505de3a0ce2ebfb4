"""The 402 answer as data: what a node asks to be paid, and how.

Parsing decides only whether the challenge can be understood. Whether it may be paid is the
policy's question.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeGuard, cast

from ..errors import InvalidChallengeError
from ._wire import MAX_HEADER_BYTES, decode_header, decode_object

HEADER: Final = "PAYMENT-REQUIRED"
SESSION_EXPIRED: Final = "Session expired or exhausted"

_AMOUNT: Final = re.compile(r"0|[1-9][0-9]{0,77}\Z")
_SECONDS: Final = re.compile(r"[0-9]{1,10}\Z")
_VERSION: Final = re.compile(r"[0-9]{1,4}\Z")
_UINT256: Final = 1 << 256
_MAX_SECONDS: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to pay that a node accepts (x402 ``PaymentRequirements``).

    ``amount`` is in atoms of ``asset``: for ``upto`` the cap of a session, for ``exact`` the price.
    ``max_timeout_seconds`` is how long the payment may stay valid. ``asset`` and ``pay_to`` are as
    the node wrote them: a node compares them as text. ``raw`` is the whole offer, to be echoed
    unchanged.
    """

    scheme: str
    network: str
    asset: str
    amount: int
    pay_to: str
    max_timeout_seconds: int
    extra: Mapping[str, object] = field(hash=False)
    raw: Mapping[str, object] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class PaymentRequired:
    """A challenge: the offers of a 402 answer, in the node's order of preference.

    ``error`` is the node's reason, ``Payment required`` when nothing was paid yet. ``resource`` and
    ``extensions`` are echoed in the payment.
    """

    x402_version: int
    error: str
    resource: Mapping[str, object] = field(repr=False)
    offers: tuple[Offer, ...]
    extensions: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class BareRefusal:
    """A 402 without a challenge: ask again without session and payment headers to get one.

    Nodes answer so when a session is unknown, settled, exhausted or of another route.
    """

    error: str

    @property
    def session_ended(self) -> bool:
        """Whether the node says that the session, or the payment's session, has ended."""
        return self.error == SESSION_EXPIRED


def parse_402(headers: Mapping[str, str], body: bytes | str) -> PaymentRequired | BareRefusal:
    """Return what a 402 answer says: a challenge, or that there is none.

    Source: x402 version 2; the protocol notes, section 2.2. A challenge of version 1 is refused:
    its ``exact`` payments are spent at once and for good, and no node of this network asks for
    them.

    Raises:
        InvalidChallengeError: There is a challenge and it cannot be understood; says why.
    """
    found = {value for name, value in headers.items() if name.upper() == HEADER and value}
    if len(found) > 1:
        raise _invalid(f"there are {len(found)} different {HEADER} headers")
    if not found:
        return _without_header(body)
    try:
        document = decode_header(found.pop())
    except ValueError as error:
        raise _invalid(f"the {HEADER} header cannot be read: {error}") from error
    return _challenge(document)


def _without_header(body: bytes | str) -> BareRefusal:
    document = _body_object(body)
    if document.get("x402Version") == 1:
        raise _version_1()
    error = document.get("error")
    return BareRefusal(error if isinstance(error, str) else "")


def _body_object(body: bytes | str) -> Mapping[str, object]:
    """Return the body as a JSON object: an empty one where it is none (HTML, nothing)."""
    if len(body) > MAX_HEADER_BYTES:
        return {}
    try:
        return decode_object(body if isinstance(body, str) else body.decode("utf-8"))
    except ValueError:
        return {}


def _challenge(document: Mapping[str, object]) -> PaymentRequired:
    version = _version(document.get("x402Version"))
    accepts = document.get("accepts")
    if not isinstance(accepts, list):
        raise _invalid("accepts must be a list")
    error = document.get("error")
    if error is not None and not isinstance(error, str):
        raise _invalid("error must be text")
    return PaymentRequired(
        x402_version=version,
        error=error or "",
        resource=_object_or_empty("resource", document.get("resource")),
        offers=tuple(
            _offer(f"accepts[{index}]", entry)
            for index, entry in enumerate(cast(list[object], accepts))
        ),
        extensions=_object_or_empty("extensions", document.get("extensions")),
    )


def _offer(where: str, entry: object) -> Offer:
    if not _is_object(entry):
        raise _invalid(f"{where} must be an object")
    return Offer(
        scheme=_text(where, entry, "scheme"),
        network=_text(where, entry, "network"),
        asset=_text(where, entry, "asset"),
        amount=_amount(where, entry),
        pay_to=_text(where, entry, "payTo"),
        max_timeout_seconds=_seconds(where, entry),
        extra=_object_or_empty(f"{where}.extra", entry.get("extra")),
        raw=entry,
    )


def _version(value: object) -> int:
    if value is None:
        return 2
    if isinstance(value, str) and _VERSION.match(value):
        value = int(value)
    if value == 1:
        raise _version_1()
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10_000:
        return value
    raise _invalid("x402Version must be a small integer")


def _text(where: str, entry: Mapping[str, object], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value:
        raise _invalid(f"{where}.{name} must be text")
    return value


def _amount(where: str, entry: Mapping[str, object]) -> int:
    text = _text(where, entry, "amount")
    if not _AMOUNT.fullmatch(text) or int(text) >= _UINT256:
        raise _invalid(
            f"{where}.amount must be a whole number of atoms in decimal digits, below 2^256"
        )
    return int(text)


def _seconds(where: str, entry: Mapping[str, object]) -> int:
    value = entry.get("maxTimeoutSeconds")
    if isinstance(value, str) and _SECONDS.match(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MAX_SECONDS:
        raise _invalid(f"{where}.maxTimeoutSeconds must be a number of seconds, zero or more")
    return value


def _object_or_empty(where: str, value: object) -> Mapping[str, object]:
    if value is None:
        return {}
    if not _is_object(value):
        raise _invalid(f"{where} must be an object")
    return value


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)  # out of JSON: its keys are text


def _version_1() -> InvalidChallengeError:
    return InvalidChallengeError(
        "the node asks for a payment of x402 version 1, which this client does not make",
        hint="the networks of this package use version 2; is this the endpoint of a node?",
    )


def _invalid(what: str) -> InvalidChallengeError:
    return InvalidChallengeError(
        f"the 402 challenge is malformed: {what}",
        hint="nothing was signed; another node may answer properly",
    )
