"""A transaction on its way from what was asked for to what is signed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..errors import ConfigurationError
from ..types import Address, PreparedTx, TxRequest, TxType

_ASKED: Final = ("chain_id", "gas", "max_fee_per_gas", "max_priority_fee_per_gas", "gas_price")


@dataclass(frozen=True, slots=True)
class Draft:
    """What a caller asked for, and what has been filled in since.

    The fields are the caller's own where ``request`` sets them. ``fee_cap`` is the most per gas
    (wei) that a stuck transaction may be re-priced to; ``l1_fee`` and ``balance`` are in wei.
    """

    request: TxRequest
    sender: Address
    chain_id: int | None = None
    gas: int | None = None
    max_fee_per_gas: int | None = None
    max_priority_fee_per_gas: int | None = None
    gas_price: int | None = None
    fee_cap: int | None = None
    l1_fee: int | None = None
    balance: int | None = None

    def __post_init__(self) -> None:
        asked = self.request
        for name in _ASKED:
            if (value := getattr(asked, name)) is not None:
                object.__setattr__(self, name, value)
        cap = asked.max_fee_per_gas if asked.gas_price is None else asked.gas_price
        if cap is not None:
            object.__setattr__(self, "fee_cap", cap)

    def having(
        self,
        *,
        chain_id: int | None = None,
        gas: int | None = None,
        max_fee_per_gas: int | None = None,
        max_priority_fee_per_gas: int | None = None,
        gas_price: int | None = None,
        fee_cap: int | None = None,
        l1_fee: int | None = None,
        balance: int | None = None,
    ) -> Draft:
        """Return this draft with these fields, wherever it has none yet."""
        return Draft(
            self.request,
            self.sender,
            _first(self.chain_id, chain_id),
            _first(self.gas, gas),
            _first(self.max_fee_per_gas, max_fee_per_gas),
            _first(self.max_priority_fee_per_gas, max_priority_fee_per_gas),
            _first(self.gas_price, gas_price),
            _first(self.fee_cap, fee_cap),
            _first(self.l1_fee, l1_fee),
            _first(self.balance, balance),
        )

    def joined(self, other: Draft) -> Draft:
        """Return this draft with what only ``other``, another draft of the request, has."""
        return self.having(
            chain_id=other.chain_id,
            gas=other.gas,
            max_fee_per_gas=other.max_fee_per_gas,
            max_priority_fee_per_gas=other.max_priority_fee_per_gas,
            gas_price=other.gas_price,
            fee_cap=other.fee_cap,
            l1_fee=other.l1_fee,
            balance=other.balance,
        )

    @property
    def type(self) -> TxType:
        """The type that the request's lists and the kind of fees make it."""
        if self.request.authorizations:
            return TxType.SET_CODE
        if self.gas_price is None:
            return TxType.DYNAMIC_FEE
        return TxType.ACCESS_LIST if self.request.access_list else TxType.LEGACY

    def most(self) -> int:
        """Return the most that it can cost in wei, value included, as ``PreparedTx.estimate``.

        Raises:
            ConfigurationError: A field is still open: its filler is missing.
        """
        _needed("chain_id", self.chain_id)
        max_fee, _ = self._fees()
        return self.request.value + _needed("gas", self.gas) * max_fee + (self.l1_fee or 0)

    def prepared(self, nonce: int) -> PreparedTx:
        """Return the complete transaction; a nonce in the request goes before ``nonce``.

        Raises:
            ConfigurationError: A field is still open: its filler is missing.
        """
        asked = self.request
        max_fee, tip = self._fees()
        return PreparedTx(
            chain_id=_needed("chain_id", self.chain_id),
            sender=self.sender,
            nonce=nonce if asked.nonce is None else asked.nonce,
            to=asked.to,
            data=asked.data,
            value=asked.value,
            gas=_needed("gas", self.gas),
            max_fee_per_gas=max_fee,
            max_priority_fee_per_gas=tip,
            access_list=asked.access_list,
            l1_fee=self.l1_fee or 0,
            allow_spend=asked.allow_spend,
            type=self.type,
            authorizations=asked.authorizations,
            fee_cap=self.fee_cap,
        )

    def _fees(self) -> tuple[int, int]:
        if self.gas_price is not None:
            return self.gas_price, self.gas_price
        max_fee = _needed("max_fee_per_gas", self.max_fee_per_gas)
        return max_fee, _needed("max_priority_fee_per_gas", self.max_priority_fee_per_gas)


def _first(filled: int | None, offered: int | None) -> int | None:
    return offered if filled is None else filled


def _needed(name: str, value: int | None) -> int:
    if value is None:
        raise ConfigurationError(
            f"the transaction has no {name}, and no filler fills it in",
            hint=f"Set TxRequest.{name}, or add the filler to this Chain.",
        )
    return value
