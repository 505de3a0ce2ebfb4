"""Build, sign, send, wait: the four steps of a transaction, and all of them at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from .._core.clock import Clock, SystemClock
from .._core.http import HttpClient
from ..errors import (
    ConfigurationError,
    NonceError,
    RpcError,
    SignerError,
    Spent,
    WrongChainError,
)
from ..profiles import ChainProfile
from ..signers.envelope import check_signed
from ..signers.protocol import Signer
from ..types import Address, PreparedTx, SignedTx, TxReceipt, TxRequest
from .blocks import BlockRef
from .fillers import GAS_PRICE_ORACLE, Draft, Filler, Funds, recommended_fillers
from .nonces import NonceLeases
from .pending import Confirmations, PendingTx
from .rpc import Rpc

if TYPE_CHECKING:
    from web3 import AsyncWeb3
    from web3.providers.async_base import AsyncJSONBaseProvider


class Chain:
    """One chain and, where ``signer`` is given, one account on it.

    ``fillers`` complete transactions (the recommended ones by default, see ``fillers``); the nonce
    is always leased last. Nothing is sent or read before the first call.
    """

    def __init__(
        self,
        rpc: Rpc,
        *,
        profile: ChainProfile,
        signer: Signer | None = None,
        clock: Clock | None = None,
        fillers: Sequence[Filler] | None = None,
    ) -> None:
        if fillers is None:
            fillers = recommended_fillers(profile, clock or SystemClock())
        self.rpc = rpc
        self.profile = profile
        self._signer = signer
        self._fillers = tuple(fillers)
        self._nonces = NonceLeases(rpc)

    def __repr__(self) -> str:
        return f"Chain({self.profile.name!r}, {self.rpc!r})"

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        rpc_url: str,
        *,
        signer: Signer | None = None,
        fillers: Sequence[Filler] | None = None,
        block_time: float = 2.0,
    ) -> AsyncGenerator[Chain, None]:
        """Open the chain behind one endpoint: ``async with Chain.connect(url) as chain``.

        The chain says itself which it is. ``block_time`` (seconds) sets how often it is asked.

        Raises:
            ConfigurationError: ``rpc_url`` is no http(s) URL.
            RpcError: The endpoint does not answer.
        """
        http = HttpClient()
        try:
            rpc = Rpc([rpc_url], http)
            op_stack = bool(await rpc.get_code(GAS_PRICE_ORACLE))
            chain_id = await rpc.chain_id()
            profile = ChainProfile(f"chain {chain_id}", chain_id, (rpc_url,), block_time, op_stack)
            yield cls(rpc, profile=profile, signer=signer, fillers=fillers)
        finally:
            await http.aclose()

    async def build(self, request: TxRequest, *, sponsored: bool = False) -> PreparedTx:
        """Return the whole transaction, every field visible, with a nonce leased for it.

        It is simulated first unless its gas was given. ``discard`` gives the nonce back when the
        transaction is not wanted after all. A nonce in ``request`` is taken as it is. For a
        ``sponsored`` transaction somebody else sends the account its fee before it is sent, so
        the balance is not asked.

        Raises:
            RevertedError: It would revert; the reason is decoded.
            InsufficientFundsError: The account cannot pay it.
            RpcError: The chain could not be asked.
            ConfigurationError: This ``Chain`` has no signer, or a field stays open.

        Example:
            >>> chain = client.chains.payments
            >>> prepared = await chain.build(TxRequest(to=friend, value=1))
            >>> prepared.gas
            21000
            >>> chain.discard(prepared)
        """
        draft = Draft(request, self._account().address)
        for filler in self._fillers:
            if sponsored and isinstance(filler, Funds):
                continue
            draft = await filler.fill(draft, self.rpc)
        prepared = draft.prepared(request.nonce or 0)  # shows what is missing before the lease
        if request.nonce is not None:
            return prepared
        return replace(prepared, nonce=await self._nonces.lease(draft.sender))

    def discard(self, prepared: PreparedTx) -> None:
        """Give a built transaction's nonce back; it must not be signed any more."""
        self._nonces.give_back(prepared.sender, prepared.nonce)

    async def sign(self, prepared: PreparedTx) -> SignedTx:
        """Return ``prepared`` signed; what the signer returned is compared with what was asked.

        When the signer fails, the nonce is given back: build the transaction again.

        **Money**: the result can be sent by whoever holds it, for ever.

        Raises:
            SignerError: Another account's transaction, or the signer returned something else.
            SigningRejectedError: The owner, a policy or a device refused.
            PolicyRejectedError: The guard's policy does not allow it.
        """
        signer = self._account()
        if signer.address != prepared.sender:
            raise SignerError(
                f"the transaction is of {prepared.sender}, the signer is {signer.address}",
                hint="Sign it on the Chain that built it.",
            )
        try:
            signed = await signer.sign_transaction(prepared)
            check_signed(prepared, signed)
        except BaseException:
            self.discard(prepared)
            raise
        return signed

    async def send(self, signed: SignedTx) -> PendingTx:
        """Hand ``signed`` to the chain and return what follows it.

        On any failure the nonce is given back: either the chain refused the transaction, or the
        next one asks the chain whether it arrived. Sending the same ``SignedTx`` again is harmless.

        **Money**: it may be mined from here on, also when ``RpcError`` is raised.

        Raises:
            TransactionError: The node refused it; nothing was spent.
            RpcError: It is not known whether it arrived (``spent`` is MAYBE).
            WrongChainError: The endpoint serves another chain; nothing was spent.
        """
        try:
            await self._broadcast(signed)
        except BaseException:
            self.discard(signed.tx)
            raise
        return self.follow(signed)

    def follow(self, signed: SignedTx) -> PendingTx:
        """Return what follows a transaction that was sent before, perhaps by another process."""
        return PendingTx(signed, self.rpc, block_time=self.profile.block_time, nonces=self._nonces)

    async def execute(
        self, request: TxRequest, *, confirmations: Confirmations = 1, timeout: float = 60.0
    ) -> TxReceipt:
        """Build, sign, send and wait: exactly these four.

        Raises:
            ChainError, SignerError, PolicyRejectedError: As the four; ``timeout`` (seconds) is the
                wait's.

        Example:
            >>> receipt = await client.chains.payments.execute(TxRequest(to=friend, value=1))
            >>> receipt.succeeded
            True
        """
        prepared = await self.build(request)
        signed = await self.sign(prepared)
        pending = await self.send(signed)
        return await pending.wait(confirmations, timeout)

    async def read(self, to: Address, data: bytes, block: BlockRef = "latest") -> bytes:
        """Return what calling ``to`` with ``data`` returns; nothing changes and nothing is paid.

        Raises:
            RevertedError: The call reverts; its reason is decoded.
            RpcError: No endpoint answered.
        """
        return await self.rpc.eth_call(to, data, block)

    def web3(self) -> AsyncWeb3[AsyncJSONBaseProvider]:
        """Return a web3.py client that speaks through this chain's own connections.

        It has no keys: to send, build the transaction here.
        """
        from .web3_bridge import web3_over  # 0.8 s of import, paid by those who ask for it

        return web3_over(self.rpc)

    async def _broadcast(self, signed: SignedTx) -> None:
        try:
            await self.rpc.send_raw_transaction(signed.raw)
        except WrongChainError:
            raise  # a transaction for one chain is worth nothing on another
        except RpcError as error:
            raise _outcome_unknown(error, signed) from error.__cause__
        except NonceError:
            # a first try whose answer was lost may have been mined by now: then this is no error
            if not await self._has_arrived(signed):
                raise

    async def _has_arrived(self, signed: SignedTx) -> bool:
        try:
            return await self.rpc.get_transaction(signed.hash) is not None
        except RpcError as error:
            raise _outcome_unknown(error, signed) from error.__cause__

    def _account(self) -> Signer:
        if self._signer is None:
            raise ConfigurationError(
                f"the chain {self.profile.name} has no signer, so it can only be read",
                hint="Pass signer=… or set OG_PRIVATE_KEY.",
            )
        return self._signer


def _outcome_unknown(error: RpcError, signed: SignedTx) -> RpcError:
    """Return ``error`` as one of a transaction that may have arrived.

    Words that no reader of node errors knows prove no refusal either.
    """
    error.spent = Spent.MAYBE
    error.hint = (
        f"It is not known whether {signed.hash} arrived. Send the same SignedTx again; "
        "do not build another one in its place before."
    )
    return error
