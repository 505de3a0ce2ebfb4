"""What a transaction offers per gas: named strategies over what the chain's last blocks took."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from .._core.clock import Clock
from ..errors import ConfigurationError, FeeTooLowError
from . import blocks
from .node_errors import Fault, FaultKind
from .rpc import Rpc

if TYPE_CHECKING:
    from .fillers import Draft

_HISTORY_BLOCKS: Final = 10
_LEAST_TIP: Final = 1_000_000  # wei per gas; empty blocks say that nothing need be paid


@dataclass(frozen=True, slots=True)
class FeeStrategy:
    """How soon a transaction is to be mined, and what that may cost.

    On a chain with a base fee (EIP-1559) the tip is what the block's cheapest ``percentile`` % of
    gas paid, the median of the last ten blocks; the cap is ``base_percent`` % of the next base fee
    plus that tip. Elsewhere the gas price is ``price_percent`` % of what the node suggests: all of
    it is paid, so it is close. ``cap`` (wei per gas) is never exceeded.

    Raises:
        ConfigurationError: A figure that makes no sense.
    """

    name: str
    percentile: int
    base_percent: int
    price_percent: int
    cap: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.percentile <= 100 or self.base_percent < 100 or self.price_percent < 1:
            raise ConfigurationError(
                f"the fee strategy {self.name!r} would not be mined",
                hint="percentile is 0 to 100, base_percent at least 100, price_percent at least 1.",
            )
        if self.cap is not None and (type(self.cap) is not int or self.cap < 1):
            raise ConfigurationError(
                f"a fee cap of {self.cap!r} wei per gas lets nothing through",
                hint="Give a whole number (int) of wei per gas, 10**9 for a gwei.",
            )


SLOW: Final = FeeStrategy("slow", percentile=20, base_percent=125, price_percent=100)
"""A low tip; waits when the base fee rises for more than one full block."""
NORMAL: Final = FeeStrategy("normal", percentile=50, base_percent=200, price_percent=110)
"""The usual tip, and a cap that outlasts five full blocks in a row."""
FAST: Final = FeeStrategy("fast", percentile=90, base_percent=300, price_percent=125)
"""The tip of those in a hurry, and a cap that outlasts nine full blocks in a row."""

_NAMED: Final = {strategy.name: strategy for strategy in (SLOW, NORMAL, FAST)}


def capped(max_fee_per_gas: int, strategy: FeeStrategy | str = NORMAL) -> FeeStrategy:
    """Return ``strategy`` with a cap in wei per gas: nothing is built while the chain takes more.

    Raises:
        ConfigurationError: No positive whole number, or no such strategy.
    """
    base = strategy_named(strategy)
    return replace(base, name=f"{base.name}, capped", cap=max_fee_per_gas)


def strategy_named(strategy: FeeStrategy | str) -> FeeStrategy:
    """Return the strategy of that name; one that is none already is returned as it is.

    Raises:
        ConfigurationError: There is no strategy of that name.
    """
    if isinstance(strategy, FeeStrategy):
        return strategy
    if strategy not in _NAMED:
        raise ConfigurationError(
            f"there is no fee strategy {strategy!r}",
            hint=f"Choose {', '.join(_NAMED)}, capped(wei_per_gas), or make a FeeStrategy.",
        )
    return _NAMED[strategy]


@dataclass(frozen=True, slots=True)
class FeeQuote:
    """What a transaction had to offer just now, in wei per gas.

    ``base_fee`` is the next block's; it is ``None`` where the chain has none (or no fee history).
    There both other fields are the gas price.
    """

    base_fee: int | None
    max_fee_per_gas: int
    max_priority_fee_per_gas: int


@dataclass(frozen=True, slots=True)
class _Market:
    """What a chain takes. ``usual`` is the tip, or the gas price where there is no base fee."""

    base_fee: int | None
    usual: int


class Fees:
    """Fills in the fees, as ``strategy`` says, of the kind that the chain takes.

    Fees of EIP-1559 where there is a base fee, else one gas price. One reading serves everybody who
    asks at the same time, and for one block time (seconds) after.
    """

    def __init__(
        self, clock: Clock, *, block_time: float, strategy: FeeStrategy | str = NORMAL
    ) -> None:
        self._clock = clock
        self._block_time = block_time
        self._strategy = strategy_named(strategy)
        self._read_at = 0.0
        self._market: _Market | None = None
        self._reading: asyncio.Future[_Market] | None = None

    async def fill(self, draft: Draft, rpc: Rpc) -> Draft:
        """Return ``draft`` with its fees; a tip never exceeds the cap that the caller set.

        Raises:
            FeeTooLowError: The next block takes more than the strategy's cap. Nothing was signed.
            ConfigurationError: A kind of fee was set that this chain does not know.
        """
        filled = self.at_once(draft)
        return self._priced(draft, await self._current(rpc)) if filled is None else filled

    def at_once(self, draft: Draft) -> Draft | None:
        """Return what ``fill`` does, where nothing has to be read for it; else ``None``."""
        fees = (draft.max_fee_per_gas, draft.max_priority_fee_per_gas)
        if draft.gas_price is not None or None not in fees:
            return draft
        market = self._fresh()
        return None if market is None else self._priced(draft, market)

    async def quote(self, rpc: Rpc) -> FeeQuote:
        """Return what the strategy would offer now, never more than its cap.

        Raises:
            RpcError: The chain could not be asked.
        """
        market = await self._current(rpc)
        if market.base_fee is None:
            price = self._within_cap(self._price(market.usual))
            return FeeQuote(None, price, price)
        max_fee = self._within_cap(self._max_fee(market.base_fee, market.usual))
        return FeeQuote(market.base_fee, max_fee, min(market.usual, max_fee))

    def _priced(self, draft: Draft, market: _Market) -> Draft:
        if market.base_fee is None:
            return self._with_one_price(draft, market.usual)
        return self._with_cap_and_tip(draft, market.base_fee, market.usual)

    def _with_one_price(self, draft: Draft, suggested: int) -> Draft:
        asked = draft.request
        fees = (draft.max_fee_per_gas, draft.max_priority_fee_per_gas)
        if fees != (None, None) or asked.authorizations:
            raise ConfigurationError(
                "this chain has no base fee, so it takes no transactions of EIP-1559 and EIP-7702",
                hint="Set gas_price, or leave all fees open; authorizations need another chain.",
            )
        self._check_cap(suggested, "gas price")
        return draft.having(
            gas_price=self._within_cap(self._price(suggested)), fee_cap=self._strategy.cap
        )

    def _with_cap_and_tip(self, draft: Draft, base_fee: int, usual_tip: int) -> Draft:
        tip = draft.max_priority_fee_per_gas
        if draft.max_fee_per_gas is not None:
            return draft.having(max_priority_fee_per_gas=min(usual_tip, draft.max_fee_per_gas))
        self._check_cap(base_fee, "base fee")
        max_fee = self._within_cap(self._max_fee(base_fee, usual_tip if tip is None else tip))
        if tip is not None and tip > max_fee:
            raise ConfigurationError(
                f"max_priority_fee_per_gas ({tip} wei) is above the strategy's cap ({max_fee} wei)",
                hint="The tip is a part of the fee; lower it, or raise the cap.",
            )
        return draft.having(
            max_fee_per_gas=max_fee,
            max_priority_fee_per_gas=min(usual_tip, max_fee),
            fee_cap=self._strategy.cap,
        )

    def _max_fee(self, base_fee: int, tip: int) -> int:
        return base_fee * self._strategy.base_percent // 100 + tip

    def _price(self, suggested: int) -> int:
        return suggested * self._strategy.price_percent // 100

    def _within_cap(self, fee: int) -> int:
        cap = self._strategy.cap
        return fee if cap is None else min(fee, cap)

    def _check_cap(self, taken: int, what: str) -> None:
        cap = self._strategy.cap
        if cap is not None and taken > cap:
            raise FeeTooLowError(
                f"the next block's {what} is {taken} wei per gas, and the fees are capped at {cap}",
                hint="Nothing was signed. Try again later, or raise the cap.",
            )

    def _fresh(self) -> _Market | None:
        age = self._clock.now() - self._read_at
        return self._market if 0 <= age < self._block_time else None

    async def _current(self, rpc: Rpc) -> _Market:
        """Return the market; whoever comes while it is being read gets what is found."""
        while (market := self._fresh()) is None:
            if self._reading is None:
                return await self._read(rpc)
            reading = self._reading
            await asyncio.wait([reading])
            if not reading.cancelled():  # else its reader has gone, and the next one reads
                return reading.result()
        return market

    async def _read(self, rpc: Rpc) -> _Market:
        self._reading = reading = asyncio.get_running_loop().create_future()
        now = self._clock.now()
        try:
            market = await _market(rpc, self._strategy.percentile)
        except Exception as error:  # whatever it is, those who wait for this reading raise it too
            reading.set_exception(error)
            reading.exception()  # perhaps nobody else has asked; then nobody else will look
            raise
        else:
            self._read_at, self._market = now, market
            reading.set_result(market)
            return market
        finally:
            self._reading = None
            reading.cancel()  # does nothing to one that has ended


async def _market(rpc: Rpc, percentile: int) -> _Market:
    params = [hex(_HISTORY_BLOCKS), "latest", [percentile]]
    answer = await rpc.outcome("eth_feeHistory", params)
    if isinstance(answer, Fault):
        if answer.kind is not FaultKind.METHOD_NOT_FOUND:
            raise answer.to_error()
        return await _gas_price(rpc)
    history = rpc.parse(blocks.members_of, answer, "fees")
    bases = rpc.parse(blocks.quantities, history.get("baseFeePerGas") or [], "base fees")
    # nodes that know EIP-1559 write zeros for blocks from before it: then the block itself says
    if not bases or (bases[-1] == 0 and (await rpc.get_block()).base_fee is None):
        return await _gas_price(rpc)
    rows = rpc.parse(blocks.items_of, history.get("reward") or [], "tips")
    tips = sorted(rpc.parse(blocks.quantities, row, "tips")[0] for row in rows if row)
    usual = tips[len(tips) // 2] if tips else 0
    return _Market(bases[-1], max(usual, _LEAST_TIP))


async def _gas_price(rpc: Rpc) -> _Market:
    answer = await rpc.call("eth_gasPrice")
    return _Market(None, rpc.parse(blocks.quantity, answer, "a gas price"))
