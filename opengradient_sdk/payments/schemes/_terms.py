"""What every scheme needs: the window of validity, addresses out of an offer, the signed terms."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, cast

from ...errors import InvalidChallengeError
from ...profiles import Profile
from ...types import Address, TypedData
from ..challenge import Offer

VALID_AFTER_MARGIN: Final = 600
"""Seconds before now at which a payment becomes valid, so that a chain's clock may lag."""
DEFAULT_TIMEOUT: Final = 3600
"""Seconds a payment is valid when the offer says zero."""

_EVM: Final = re.compile(r"eip155:([1-9][0-9]{0,19})\Z")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a signature allows: who may collect for whom, and when (seconds since the epoch)."""

    spender: Address
    recipient: Address
    facilitator: Address | None
    nonce: int
    valid_after: int
    deadline: int


class Draft(Protocol):
    """Makes the typed data of a payment."""

    def __call__(
        self, offer: Offer, *, owner: Address, nonce: int, now: int, profile: Profile
    ) -> TypedData:
        """Return what ``owner`` signs to pay ``offer``."""
        ...


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way to pay: how it is drafted, what was agreed, and how it is told to the node."""

    draft: Draft
    terms: Callable[[TypedData], Terms]
    payload: Callable[[Offer, Address, TypedData, bytes], dict[str, object]]


def new_nonce() -> int:
    """Return 32 random bytes as an integer: the one use of a payment, unordered."""
    return int.from_bytes(secrets.token_bytes(32), "big")


def is_evm_chain(network: str) -> bool:
    """Return whether ``network`` is the CAIP-2 name of an EVM chain."""
    return _EVM.match(network) is not None


def chain_id_of(network: str) -> int:
    """Return the chain id in the CAIP-2 name of an EVM chain.

    Raises:
        InvalidChallengeError: It names another network, or none.
    """
    match = _EVM.match(network)
    if match is None:
        raise InvalidChallengeError(f"{network!r} is not the name of an EVM chain (eip155:…)")
    return int(match[1])


def window(offer: Offer, now: int) -> tuple[int, int]:
    """Return the seconds since the epoch after which and until which a payment is valid."""
    valid_after = max(0, now - VALID_AFTER_MARGIN)  # a simulated clock may be near its zero
    return valid_after, now + (offer.max_timeout_seconds or DEFAULT_TIMEOUT)


def address_in(offer: Offer, member: str, value: object) -> Address:
    """Return the address that a member of the offer holds.

    Raises:
        InvalidChallengeError: It holds none, or one with a wrong checksum.
    """
    try:
        return Address(value if isinstance(value, str) else "")
    except ValueError as error:
        raise InvalidChallengeError(
            f"the {offer.scheme} offer's {member} is no address: {error}",
            hint="nothing was signed; another node may answer properly",
        ) from error


def integer(message: Mapping[str, object], member: str) -> int:
    """Return an integer member of a message that this package has drafted."""
    return cast(int, message[member])


def part(message: Mapping[str, object], member: str) -> Mapping[str, object]:
    """Return a struct member of a message that this package has drafted."""
    return cast(Mapping[str, object], message[member])
