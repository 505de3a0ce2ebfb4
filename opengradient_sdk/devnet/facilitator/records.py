"""What a facilitator has done, for those who check the accounts."""

from __future__ import annotations

from dataclasses import dataclass

from ...types import Address, Bytes32


@dataclass(frozen=True, slots=True)
class VerifiedPermit:
    """A permit that was found good: ``cap`` in atoms, ``at`` and ``deadline`` in Unix seconds."""

    network: str
    payer: Address
    nonce: int
    cap: int
    token: Address
    recipient: Address
    deadline: int
    at: float


@dataclass(frozen=True, slots=True)
class SettledPermit:
    """A permit that was settled on chain: ``amount`` in atoms, ``at`` in Unix seconds.

    ``requests`` is how many calls the node says it served for it; 1 where it says nothing.
    """

    network: str
    payer: Address
    nonce: int
    amount: int
    token: Address
    recipient: Address
    transaction: Bytes32
    block_number: int
    requests: int
    at: float


class Records:
    """The books of a facilitator; one permit is one entry, however often it was sent."""

    def __init__(self) -> None:
        self._verified: dict[tuple[str, Address, int], VerifiedPermit] = {}
        self._settled: list[SettledPermit] = []

    @property
    def verified(self) -> tuple[VerifiedPermit, ...]:
        """Every permit that was found good, in the order of its first check."""
        return tuple(self._verified.values())

    @property
    def settled(self) -> tuple[SettledPermit, ...]:
        """Every settlement on chain, in order."""
        return tuple(self._settled)

    def add_verified(self, entry: VerifiedPermit) -> None:
        """Note a good permit, once."""
        self._verified.setdefault((entry.network, entry.payer, entry.nonce), entry)

    def add_settled(self, entry: SettledPermit) -> None:
        """Note a settlement."""
        self._settled.append(entry)
