"""A transaction's stages as distinct frozen types, so that an unsigned one cannot be sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from .amount import Amount
from .primitives import Address, Bytes32

AccessList = tuple[tuple[Address, tuple[Bytes32, ...]], ...]


class TxType(IntEnum):
    """How a transaction is encoded (EIP-2718)."""

    LEGACY = 0
    """One gas price, with the chain's id in the signature (EIP-155)."""
    ACCESS_LIST = 1
    """One gas price and an access list (EIP-2930)."""
    DYNAMIC_FEE = 2
    """A fee cap and a tip (EIP-1559); what is built wherever the chain has a base fee."""
    SET_CODE = 4
    """As ``DYNAMIC_FEE``, with authorizations that give accounts code (EIP-7702)."""


@dataclass(frozen=True, slots=True)
class CodeAuthorization:
    """An account's signed permission to run the code at ``address`` as its own (EIP-7702).

    **Money**: whoever controls that code controls everything the account holds. ``chain_id`` 0 is
    valid on every chain; ``nonce`` is the authorizing account's.
    """

    chain_id: int
    address: Address
    nonce: int
    y_parity: int
    r: int
    s: int


@dataclass(frozen=True, slots=True)
class TxRequest:
    """What a caller wants to happen; every field left ``None`` is filled in by ``chain.build``.

    ``value`` is in wei, fees are wei per gas. With ``gas_price`` the transaction has one price (a
    legacy one, or EIP-2930 with an access list); with ``authorizations`` it is of EIP-7702. A
    transaction that moves OPG or touches Permit2 is refused by the guard unless ``allow_spend``
    says that this is meant.
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
    gas_price: int | None = None
    authorizations: tuple[CodeAuthorization, ...] = ()


@dataclass(frozen=True, slots=True)
class PreparedTx:
    """A complete transaction that is not signed yet; every field visible.

    ``value`` is in wei, fees are wei per gas, ``l1_fee`` is what an OP-stack chain adds (wei).
    Where ``type`` has one gas price, both fee fields hold it, which is what it means (EIP-1559).
    ``fee_cap`` is the most per gas that a stuck transaction may be re-priced to without asking
    again; ``None`` leaves that to the chain's ``BumpPolicy``.
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
    type: TxType = TxType.DYNAMIC_FEE
    authorizations: tuple[CodeAuthorization, ...] = ()
    fee_cap: int | None = None

    def estimate(self) -> Amount:
        """Return the most this transaction can cost in the chain's own coin, value included.

        A stuck one may be replaced by one at a higher fee: never above ``fee_cap``, and as far as
        the chain's ``BumpPolicy`` allows.
        """
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
    block_hash: Bytes32 | None = None


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
