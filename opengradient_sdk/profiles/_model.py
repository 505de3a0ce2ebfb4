"""The shape of a network profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from .._core.clock import Clock, SystemClock
from ..types import Address


@dataclass(frozen=True, slots=True)
class ChainProfile:
    """One chain: its id, endpoints and habits.

    ``block_time`` is in seconds. ``op_stack`` chains add an L1 data fee to every transaction.
    """

    name: str
    chain_id: int
    rpc_urls: tuple[str, ...] = field(repr=False)  # they may hold credentials
    block_time: float
    op_stack: bool = False
    coin: str = "ETH"

    @property
    def caip2(self) -> str:
        """The chain's CAIP-2 name, as payments use it."""
        return f"eip155:{self.chain_id}"


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """A model's provider and list price: USD per million tokens, ``None`` if not published."""

    provider: str
    input: Decimal | None
    output: Decimal | None


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything the client must know about a network before its first call.

    ``session_cap`` and ``max_authorization`` are atoms of OPG, ``max_lifetime`` is in seconds.
    ``recipients`` are accepted beside the registered payment address of the node. ``blob_urls`` are
    Walrus aggregators that hand out the blobs of settled batches (``GET <url>/v1/blobs/<id>``),
    none where it is not known which the network uses.
    """

    name: str
    payments: ChainProfile
    registry: ChainProfile
    opg: Address
    opg_name: str
    opg_version: str
    permit2: Address
    upto_proxy: Address
    exact_proxy: Address
    multicall: Address
    tee_registry: Address
    settlement_relay: Address | None
    recipients: tuple[Address, ...]
    session_cap: int
    max_authorization: int
    max_lifetime: int
    prices: Mapping[str, ModelPrice] = field(repr=False)
    clock: Clock = field(default_factory=SystemClock, repr=False)
    state_dir: str | None = None
    blob_urls: tuple[str, ...] = ()
