"""What completes a transaction: small fillers, each for the fields that the caller left open.

Fields the caller set always win. The nonce is no filler: it is a lease with an end of its own
(``nonces``) and is taken last, when nothing else can fail any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Protocol, cast

from .._core.clock import Clock
from ..errors import ConfigurationError, InsufficientFundsError, WrongChainError
from ..profiles import ChainProfile
from ..signers.envelope import unsigned_bytes
from ..types import Address, Amount, PreparedTx, TxRequest
from . import blocks
from .abi import Function
from .rpc import Rpc

GAS_PRICE_ORACLE: Final = Address("0x420000000000000000000000000000000000000F")
"""The predeploy of every OP-stack chain that knows the price of its parent chain."""

_BARE_TRANSFER: Final = 21_000
_GET_L1_FEE: Final = Function("getL1Fee(bytes)", returns="uint256")
_UNKNOWN_NONCE: Final = 2**32 - 1  # as many bytes as a nonce will ever have: the fee is per byte
_HISTORY_BLOCKS: Final = 10
_REWARD_PERCENTILE: Final = 50
_LEAST_TIP: Final = 1_000_000  # wei per gas; empty blocks say that nothing need be paid


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction on its way from ``TxRequest`` to ``PreparedTx``."""

    request: TxRequest
    sender: Address
    l1_fee: int = 0

    def having(
        self,
        *,
        chain_id: int | None = None,
        gas: int | None = None,
        max_fee_per_gas: int | None = None,
        max_priority_fee_per_gas: int | None = None,
    ) -> Draft:
        """Return this draft with these fields wherever the caller set none."""
        asked = self.request
        filled = replace(
            asked,
            chain_id=_first(asked.chain_id, chain_id),
            gas=_first(asked.gas, gas),
            max_fee_per_gas=_first(asked.max_fee_per_gas, max_fee_per_gas),
            max_priority_fee_per_gas=_first(
                asked.max_priority_fee_per_gas, max_priority_fee_per_gas
            ),
        )
        return replace(self, request=filled)

    def prepared(self, nonce: int) -> PreparedTx:
        """Return the complete transaction.

        Raises:
            ConfigurationError: A field is still open: its filler is missing.
        """
        asked = self.request
        return PreparedTx(
            chain_id=_needed("chain_id", asked.chain_id),
            sender=self.sender,
            nonce=nonce if asked.nonce is None else asked.nonce,
            to=asked.to,
            data=asked.data,
            value=asked.value,
            gas=_needed("gas", asked.gas),
            max_fee_per_gas=_needed("max_fee_per_gas", asked.max_fee_per_gas),
            max_priority_fee_per_gas=_needed(
                "max_priority_fee_per_gas", asked.max_priority_fee_per_gas
            ),
            access_list=asked.access_list,
            l1_fee=self.l1_fee,
            allow_spend=asked.allow_spend,
        )


class Filler(Protocol):
    """Something that completes transactions."""

    async def fill(self, draft: Draft, rpc: Rpc) -> Draft:
        """Return ``draft`` with this filler's fields, wherever they were open.

        Raises:
            ChainError: The chain could not be asked, or the transaction cannot succeed.
        """
        ...


class ChainId:
    """Fills the chain id in, and refuses a transaction that was meant for another chain."""

    async def fill(self, draft: Draft, rpc: Rpc) -> Draft:
        """Return ``draft`` with its chain id.

        Raises:
            WrongChainError: The caller named another chain.
        """
        chain_id = await rpc.chain_id()
        if draft.request.chain_id not in (None, chain_id):
            raise WrongChainError(
                f"the transaction is for chain {draft.request.chain_id}, "
                f"but it is built on chain {chain_id}",
                hint="Build it on a Chain of that network, or leave chain_id open.",
            )
        return draft.having(chain_id=chain_id)


class Gas:
    """Simulates the transaction and fills in the gas it used, with a fifth to spare.

    A transaction whose gas the caller set is not simulated: this is how one that is expected to
    fail can be sent.
    """

    async def fill(self, draft: Draft, rpc: Rpc) -> Draft:
        """Return ``draft`` with its gas limit.

        Raises:
            RevertedError: The transaction would revert; its reason is decoded, nothing is signed.
        """
        asked = draft.request
        if asked.gas is not None:
            return draft
        used = await rpc.estimate_gas(
            asked.to,
            asked.data,
            sender=draft.sender,
            value=asked.value,
            access_list=asked.access_list,
        )
        # other transactions move the state between now and the block; a bare transfer never varies
        return draft.having(gas=used if used == _BARE_TRANSFER else used * 6 // 5)


class Fees:
    """Fills in EIP-1559 fees from the fee history.

    The tip is the median of the last blocks' median tips, the cap twice the next base fee plus the
    tip: six full blocks in a row do not outgrow it. Suggestions are kept for one block time.
    """

    def __init__(self, clock: Clock, *, block_time: float) -> None:
        self._clock = clock
        self._block_time = block_time
        self._suggested: tuple[float, int, int] | None = None

    async def fill(self, draft: Draft, rpc: Rpc) -> Draft:
        """Return ``draft`` with both fees; a tip never exceeds the cap that the caller set.

        Raises:
            ConfigurationError: The caller's own tip is above the caller's own cap.
        """
        asked = draft.request
        cap, tip = asked.max_fee_per_gas, asked.max_priority_fee_per_gas
        if cap is not None and tip is not None:
            if tip > cap:
                raise ConfigurationError(
                    f"max_priority_fee_per_gas ({tip} wei) is above max_fee_per_gas ({cap} wei)",
                    hint="The tip is a part of the fee; lower it, or raise max_fee_per_gas.",
                )
            return draft
        base, suggested_tip = await self._suggestion(rpc)
        if tip is None:
            tip = suggested_tip if cap is None else min(suggested_tip, cap)
        return draft.having(max_fee_per_gas=2 * base + tip, max_priority_fee_per_gas=tip)

    async def _suggestion(self, rpc: Rpc) -> tuple[int, int]:
        now = self._clock.now()
        if self._suggested is None or not 0 <= now - self._suggested[0] < self._block_time:
            self._suggested = (now, *await _fee_history(rpc))
        return self._suggested[1:]


class L1Fee:
    """Adds what an OP-stack chain charges for publishing the transaction on its parent chain.

    Asks the GasPriceOracle predeploy. The fee moves with the parent chain's until the transaction
    is mined, so this is an estimate.
    """

    async def fill(self, draft: Draft, rpc: Rpc) -> Draft:
        """Return ``draft`` with its L1 fee in wei."""
        raw = unsigned_bytes(draft.prepared(_UNKNOWN_NONCE))
        answer = await rpc.eth_call(GAS_PRICE_ORACLE, _GET_L1_FEE.encode(raw))
        l1_fee = rpc.parse(_l1_fee, answer, "an L1 fee")
        return replace(draft, l1_fee=l1_fee)


class Funds:
    """Fills nothing in; refuses a transaction that the account cannot pay, with both numbers."""

    async def fill(self, draft: Draft, rpc: Rpc) -> Draft:
        """Return ``draft`` as it is.

        Raises:
            InsufficientFundsError: The balance is below value and fee. Nothing was signed.
        """
        needed = draft.prepared(_UNKNOWN_NONCE).estimate()
        balance = Amount(await rpc.get_balance(draft.sender), "ETH", 18)
        if balance.atoms < needed.atoms:
            raise InsufficientFundsError(
                f"{draft.sender} has {balance}, but the transaction may cost {needed}",
                hint="Send the chain's own coin to the account, or lower value, gas or fees.",
            )
        return draft


def recommended_fillers(profile: ChainProfile, clock: Clock) -> tuple[Filler, ...]:
    """Return the fillers for a chain; their order matters, as later ones read what is filled in."""
    l1_fee = (L1Fee(),) if profile.op_stack else ()
    return (ChainId(), Gas(), Fees(clock, block_time=profile.block_time), *l1_fee, Funds())


def _l1_fee(answer: object) -> int:
    return int(_GET_L1_FEE.decode_result(cast("bytes", answer))[0])


async def _fee_history(rpc: Rpc) -> tuple[int, int]:
    """Return the next block's base fee and the tip that was usual lately, in wei per gas."""
    params = [hex(_HISTORY_BLOCKS), "latest", [_REWARD_PERCENTILE]]
    history = rpc.parse(blocks.members_of, await rpc.call("eth_feeHistory", params), "fees")
    bases = rpc.parse(blocks.quantities, history.get("baseFeePerGas"), "base fees")
    rows = rpc.parse(blocks.items_of, history.get("reward") or [], "tips")
    tips = sorted(rpc.parse(blocks.quantities, row, "tips")[0] for row in rows if row)
    if not bases:
        raise ConfigurationError(
            "this chain has no base fee, and only EIP-1559 transactions are built",
            hint="Set max_fee_per_gas and max_priority_fee_per_gas.",
        )
    usual = tips[len(tips) // 2] if tips else 0
    return bases[-1], max(usual, _LEAST_TIP)


def _first(asked: int | None, filled: int | None) -> int | None:
    return filled if asked is None else asked


def _needed(name: str, value: int | None) -> int:
    if value is None:
        raise ConfigurationError(
            f"the transaction has no {name}, and no filler fills it in",
            hint=f"Set TxRequest.{name}, or add the filler to this Chain.",
        )
    return value
