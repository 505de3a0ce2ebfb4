"""What completes a transaction: small fillers, each for the fields that the caller left open.

Fields the caller set always win. The nonce is no filler: it is a lease with an end of its own
and is taken last, when nothing else can fail any more.
"""

from __future__ import annotations

from typing import Final, Protocol, cast

from .._core.clock import Clock
from .._core.tasks import together
from ..errors import InsufficientFundsError, TransactionError, WrongChainError
from ..profiles import ChainProfile
from ..signers.envelope import unsigned_bytes
from ..types import Address, Amount, TxRequest
from . import blocks
from .abi import Function
from .draft import Draft
from .fees import Fees
from .jsonrpc import RpcCall
from .rpc import Rpc, call_message

__all__ = [
    "GAS_PRICE_ORACLE",
    "Balance",
    "ChainId",
    "Draft",
    "Fees",
    "Filler",
    "Funds",
    "Gas",
    "L1Fee",
    "Reader",
    "Together",
    "recommended_fillers",
]

GAS_PRICE_ORACLE: Final = Address("0x420000000000000000000000000000000000000F")
"""The predeploy of every OP-stack chain that knows the price of its parent chain."""

_BARE_TRANSFER: Final = 21_000
_GET_L1_FEE: Final = Function("getL1Fee(bytes)", returns="uint256")
_UNKNOWN_NONCE: Final = 2**32 - 1  # as many bytes as a nonce will ever have: the fee is per byte


class Filler(Protocol):
    """Something that completes transactions."""

    async def fill(self, draft: Draft, rpc: Rpc) -> Draft:
        """Return ``draft`` with this filler's fields, wherever they were open.

        Raises:
            ChainError: The chain could not be asked, or the transaction cannot succeed.
        """
        ...


class Reader(Filler, Protocol):
    """A filler that needs nothing of what others fill in, and often nothing of the chain."""

    def at_once(self, draft: Draft) -> Draft | None:
        """Return what ``fill`` does, where nothing has to be read for it; else ``None``."""
        ...


class Together:
    """Several readers at once, so that what they read is one round trip."""

    def __init__(self, *readers: Reader) -> None:
        self._readers = readers

    async def fill(self, draft: Draft, rpc: Rpc) -> Draft:
        """Return ``draft`` with the fields of all readers.

        Raises:
            ChainError: The first failure; what the others read is dropped.
        """
        left: list[Reader] = []
        for reader in self._readers:
            filled = reader.at_once(draft)
            if filled is None:
                left.append(reader)
            else:
                draft = filled
        if len(left) == 1:  # a task costs as much as all the rest of a build
            return await left[0].fill(draft, rpc)
        for filled in await together(*(reader.fill(draft, rpc) for reader in left)):
            draft = draft.joined(filled)
        return draft


class ChainId:
    """Fills the chain id in, and refuses a transaction that was meant for another chain."""

    async def fill(self, draft: Draft, rpc: Rpc) -> Draft:
        """Return ``draft`` with its chain id.

        Raises:
            WrongChainError: The caller named another chain.
        """
        chain_id = await rpc.chain_id()
        if draft.chain_id not in (None, chain_id):
            raise WrongChainError(
                f"the transaction is for chain {draft.chain_id}, "
                f"but it is built on chain {chain_id}",
                hint="Build it on a Chain of that network, or leave chain_id open.",
            )
        return draft.having(chain_id=chain_id)


class Gas:
    """Simulates the transaction and fills in the gas it used, with a fifth to spare.

    A transaction whose gas the caller set is not simulated: this is how one that is expected to
    fail can be sent. More gas than a block holds is refused: no block would ever take it.
    """

    def __init__(self) -> None:
        self._limit = 0  # of the newest block that was read; it moves by a thousandth per block

    async def fill(self, draft: Draft, rpc: Rpc) -> Draft:
        """Return ``draft`` with its gas limit.

        Raises:
            RevertedError: The transaction would revert; its reason is decoded, nothing is signed.
            InsufficientFundsError: The account has less than the value.
            TransactionError: It needs, or was given, more gas than a block holds.
        """
        if draft.gas is not None:
            if self.at_once(draft) is None:
                await self._check(draft.gas, rpc)
            return draft
        used = await self._used(draft, rpc)
        await self._check(used, rpc)
        # other transactions move the state between now and the block; a bare transfer never varies
        spare = used if used == _BARE_TRANSFER else used * 6 // 5
        return draft.having(gas=min(spare, self._limit or spare))

    def at_once(self, draft: Draft) -> Draft | None:
        """Return ``draft`` where it has gas that fits into a block for all that is known."""
        return draft if draft.gas is not None and draft.gas <= self._limit else None

    async def _used(self, draft: Draft, rpc: Rpc) -> int:
        """Return the gas that the transaction would use now; learn the block limit on the way."""
        asked = draft.request
        calls: list[RpcCall] = [("eth_estimateGas", [_simulated(asked, draft.sender)])]
        if not self._limit:
            calls.append(("eth_getBlockByNumber", ["latest", False]))
        try:
            used, *block = await rpc.batch(calls)
        except InsufficientFundsError as error:  # in the node's words, which rarely name numbers
            balance = await rpc.get_balance(draft.sender)
            sends = f"sends {Amount(asked.value, 'ETH', 18)}"
            raise _cannot_pay(draft.sender, balance, sends) from error
        if block:
            self._limit = rpc.parse(blocks.block, block[0], "a block").gas_limit
        return rpc.parse(blocks.quantity, used, "gas")

    async def _check(self, gas: int, rpc: Rpc) -> None:
        if gas > self._limit:
            # zero, as some chains write it, is no limit
            self._limit = (await rpc.get_block()).gas_limit
        if 0 < self._limit < gas:
            raise TransactionError(
                f"the transaction's gas is over the block gas limit: it has {gas}, "
                f"and a block of this chain holds {self._limit}",
                hint="No block can take it. Set less gas, or split what it does.",
            )


class Balance:
    """Reads what the sender has, for ``Funds``."""

    async def fill(self, draft: Draft, rpc: Rpc) -> Draft:
        """Return ``draft`` with the sender's balance in wei."""
        return draft.having(balance=await rpc.get_balance(draft.sender))

    def at_once(self, draft: Draft) -> Draft | None:
        """Return ``draft`` where the balance is known."""
        return None if draft.balance is None else draft


class L1Fee:
    """Adds what an OP-stack chain charges for publishing the transaction on its parent chain.

    Asks the GasPriceOracle predeploy. The fee moves with the parent chain's until the transaction
    is mined, so this is an estimate.
    """

    async def fill(self, draft: Draft, rpc: Rpc) -> Draft:
        """Return ``draft`` with its L1 fee in wei."""
        raw = unsigned_bytes(draft.prepared(_UNKNOWN_NONCE))
        answer = await rpc.eth_call(GAS_PRICE_ORACLE, _GET_L1_FEE.encode(raw))
        return draft.having(l1_fee=rpc.parse(_l1_fee, answer, "an L1 fee"))


class Funds:
    """Fills nothing in; refuses a transaction that the account cannot pay, with both numbers."""

    async def fill(self, draft: Draft, rpc: Rpc) -> Draft:
        """Return ``draft`` as it is.

        Raises:
            InsufficientFundsError: The balance is below value and fee. Nothing was signed.
        """
        balance = draft.balance
        if balance is None:
            balance = await rpc.get_balance(draft.sender)
        needed = draft.most()
        if balance < needed:
            raise _cannot_pay(draft.sender, balance, f"may cost {Amount(needed, 'ETH', 18)}")
        return draft


def recommended_fillers(
    profile: ChainProfile, clock: Clock, *, fees: Fees | None = None
) -> tuple[Filler, ...]:
    """Return the fillers for a chain; their order matters, as later ones read what is filled in.

    One round trip for all but the L1 fee, which is that of the complete transaction.
    """
    fees = fees or Fees(clock, block_time=profile.block_time)
    l1_fee = (L1Fee(),) if profile.op_stack else ()
    return (ChainId(), Together(Gas(), fees, Balance()), *l1_fee, Funds())


def _cannot_pay(sender: Address, balance: int, what: str) -> InsufficientFundsError:
    return InsufficientFundsError(
        f"{sender} has {Amount(balance, 'ETH', 18)}, but the transaction {what}",
        hint="Send the chain's own coin to the account, or lower value, gas or fees.",
    )


def _simulated(asked: TxRequest, sender: Address) -> dict[str, object]:
    """Return what ``eth_estimateGas`` is asked: the transaction without fees."""
    message = call_message(asked.to, asked.data, sender=sender, value=asked.value)
    if asked.access_list:
        message["accessList"] = [
            {"address": address, "storageKeys": [str(key) for key in keys]}
            for address, keys in asked.access_list
        ]
    if asked.authorizations:
        message["authorizationList"] = [
            {
                "chainId": hex(one.chain_id),
                "address": one.address,
                "nonce": hex(one.nonce),
                "yParity": hex(one.y_parity),
                "r": hex(one.r),
                "s": hex(one.s),
            }
            for one in asked.authorizations
        ]
    return message


def _l1_fee(answer: object) -> int:
    return int(_GET_L1_FEE.decode_result(cast("bytes", answer))[0])
