"""A transaction's stages as distinct frozen types, so that an unsigned one cannot be sent."""

from __future__ import annotations

from dataclasses import dataclass, field

from .amount import Amount
from .primitives import Address, Bytes32

AccessList = tuple[tuple[Address, tuple[Bytes32, ...]], ...]


@dataclass(frozen=True, slots=True)
class TxRequest:
    """What a caller wants to happen; every field left ``None`` is filled in by ``chain.build``.

    ``value`` is in wei, fees are wei per gas. A transaction that moves OPG or touches Permit2 is
    refused by the guard unless ``allow_spend`` says that this is meant.
    """

    to: Address | None = None
    data: bytes = b""
    value: int = 0
    gas: int | None = None
    max_fee_per_gas: int | None = None
    max_priority_fee_per_gas: int | None = None
    nonce: int | None = None
    chain_id: int | None = None
    access_list: AccessList = ()
    allow_spend: bool = False


@dataclass(frozen=True, slots=True)
class PreparedTx:
    """A complete EIP-1559 transaction (type 2) that is not signed yet; every field visible.

    ``value`` is in wei, fees are wei per gas, ``l1_fee`` is what an OP-stack chain adds (wei).
    """

    chain_id: int
    sender: Address
    nonce: int
    to: Address | None
    data: bytes
    value: int
    gas: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    access_list: AccessList = ()
    l1_fee: int = 0
    allow_spend: bool = False

    def estimate(self) -> Amount:
        """Return the most this transaction can cost in the chain's own coin, value included."""
        return Amount(self.value + self.gas * self.max_fee_per_gas + self.l1_fee, "ETH", 18)


@dataclass(frozen=True, slots=True)
class SignedTx:
    """A signed transaction: ``raw`` is what is broadcast, ``hash`` is known before that.

    It never expires: whoever holds ``raw`` can send it while ``tx.nonce`` is free.
    """

    tx: PreparedTx
    raw: bytes = field(repr=False)
    hash: Bytes32


@dataclass(frozen=True, slots=True)
class Log:
    """An event log of a mined transaction."""

    address: Address
    topics: tuple[Bytes32, ...]
    data: bytes
    block_number: int
    transaction_hash: Bytes32
    index: int


@dataclass(frozen=True, slots=True)
class TxReceipt:
    """What a mined transaction did. ``succeeded`` is the EVM's status; fees are in wei."""

    hash: Bytes32
    block_number: int
    block_hash: Bytes32
    sender: Address
    to: Address | None
    contract_address: Address | None
    succeeded: bool
    gas_used: int
    effective_gas_price: int
    logs: tuple[Log, ...] = field(repr=False)
    l1_fee: int = 0

    @property
    def fee(self) -> Amount:
        """The whole fee paid in the chain's own coin."""
        return Amount(self.gas_used * self.effective_gas_price + self.l1_fee, "ETH", 18)
