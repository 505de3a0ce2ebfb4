"""Build, sign, send, wait: the four steps of a transaction, and all of them at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Self

from .._core.clock import Clock, SystemClock
from .._core.http import HttpClient
from .._core.retry import retry
from .._core.store import IN_MEMORY, Store, open_store
from .._core.tasks import Supervisor
from ..errors import ConfigurationError, OpenGradientError, RpcError, SignerError
from ..profiles import ChainProfile
from ..signers.local import signer_from
from ..signers.protocol import Signer
from ..types import PreparedTx, SignedTx, TxReceipt, TxRequest
from .dispatch import Dispatcher
from .draft import Draft
from .execute import Executor
from .fees import NORMAL, Fees, FeeStrategy
from .fillers import GAS_PRICE_ORACLE, Filler, Funds, recommended_fillers
from .items import signed_by
from .outbox.events import Announcer, ChainEvent, Emit, NonceSuperseded
from .outbox.journal import TxJournal
from .outbox.nonces import NonceLeases
from .outbox.outbox import Outbox
from .outbox.replacing import BumpPolicy
from .outbox.schema import SCHEMA
from .outbox.slots import Slot, SlotState
from .pending import Confirmations, PendingTx
from .reading import ReadableChain
from .request_check import check_request
from .rpc import Rpc

_FIRST_TRIES: Final = 3


class Chain(ReadableChain):
    """One chain and, where ``signer`` is given, one account on it.

    ``fillers`` complete transactions (the recommended ones by default, see ``fillers``), priced as
    ``fees`` says (``"slow"``, ``"normal"``, ``"fast"``, or ``capped(wei)``); the nonce is always
    leased last. ``store`` keeps nonces and signed transactions: chains that share one, in any
    number of processes or hosts, share the account safely. Without it, they are kept in memory.
    ``bump`` bounds what a stuck transaction may be re-priced to; ``on_event`` is told what happens
    to transactions after they were sent.

    Nothing is sent or read before the first call, or ``async with``: that is when what a process
    that is gone had on its way in the same store is taken over. What was sent is followed in the
    background until ``aclose``, or the end of ``async with``.
    """

    def __init__(
        self,
        rpc: Rpc,
        *,
        profile: ChainProfile,
        signer: Signer | None = None,
        clock: Clock | None = None,
        fillers: Sequence[Filler] | None = None,
        fees: FeeStrategy | str = NORMAL,
        bump: BumpPolicy | None = None,
        store: Store | None = None,
        on_event: Emit | None = None,
    ) -> None:
        _check_signer(signer)
        clock = clock or SystemClock()
        pricing = Fees(clock, block_time=profile.block_time, strategy=fees)
        super().__init__(rpc, profile)
        self._signer = signer
        if fillers is None:
            fillers = recommended_fillers(profile, clock, fees=pricing)
        self._fillers = tuple(fillers)
        self._own_store = store is None
        self._store = store or open_store(IN_MEMORY, SCHEMA)
        emit: Emit = on_event or _ignored
        self._announcer = Announcer(emit)
        self._supervisor = Supervisor()
        self._journal = TxJournal(self._store)
        self._nonces = NonceLeases(rpc, self._journal)
        self._outbox = Outbox(
            rpc,
            self._journal,
            self._nonces,
            profile=profile,
            signer=signer,
            fees=pricing,
            supervisor=self._supervisor,
            emit=emit,
            bump=bump or BumpPolicy(),
            complete=self._completed,
        )
        self._dispatcher = Dispatcher(
            self._journal,
            self._nonces,
            self._outbox,
            signer=signer,
            supervisor=self._supervisor,
            announcer=self._announcer,
            pause=profile.block_time / 4,
        )
        self._executor = Executor(self._nonces, self._outbox, self._dispatcher)
        self._resumed = store is None  # a store of its own holds nothing of others

    def __repr__(self) -> str:
        return f"Chain({self.profile.name!r}, {self.rpc!r})"

    async def __aenter__(self) -> Self:
        self._resume()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        rpc_url: str | Sequence[str],
        *,
        signer: Signer | None = None,
        fillers: Sequence[Filler] | None = None,
        fees: FeeStrategy | str = NORMAL,
        bump: BumpPolicy | None = None,
        store: str | None = None,
        on_event: Emit | None = None,
        block_time: float = 2.0,
    ) -> AsyncGenerator[Chain, None]:
        """Open the chain behind one or several endpoints: ``async with Chain.connect(url) as …``.

        The chain says itself which it is. ``block_time`` (seconds) sets how often it is asked.
        ``store`` is the path of a file, or ``postgresql://…``, that keeps nonces and transactions
        across restarts, processes and hosts.

        Raises:
            ConfigurationError: ``rpc_url`` is no http(s) URL.
            RpcError: No endpoint answers.
            LedgerError: The store cannot be used.
        """
        urls = (rpc_url,) if isinstance(rpc_url, str) else tuple(rpc_url)
        _check_signer(signer)
        http = HttpClient()
        kept = open_store(store or IN_MEMORY, SCHEMA)
        try:
            rpc = Rpc(urls, http)
            code = await retry(
                lambda: rpc.get_code(GAS_PRICE_ORACLE),
                attempts=_FIRST_TRIES,
                retry_on=lambda error: isinstance(error, RpcError) and error.retryable,
            )
            chain_id, op_stack = await rpc.chain_id(), bool(code)
            profile = ChainProfile(f"chain {chain_id}", chain_id, urls, block_time, op_stack)
            async with cls(
                rpc,
                profile=profile,
                signer=signer,
                fillers=fillers,
                fees=fees,
                bump=bump,
                store=kept,
                on_event=on_event,
            ) as chain:
                yield chain
        finally:
            await http.aclose()
            await kept.aclose()

    async def aclose(self) -> None:
        """Stop following; what is not final is taken over by whoever uses the same store next."""
        self._resumed = True
        self._dispatcher.close()
        async with AsyncExitStack() as closing:  # the last one that was pushed is closed first
            if self._own_store:
                closing.push_async_callback(self._store.aclose)
            closing.push_async_callback(self._journal.leave)
            closing.push_async_callback(self._supervisor.aclose)
            closing.push_async_callback(self._outbox.aclose)
            closing.push_async_callback(self._executor.aclose)

    async def build(self, request: TxRequest, *, sponsored: bool = False) -> PreparedTx:
        """Return the whole transaction, every field visible, with a nonce leased for it.

        It is simulated first unless its gas was given. ``discard`` gives the nonce back when the
        transaction is not wanted after all; a lease that is not signed ends by itself after two
        minutes. A nonce in ``request`` is taken as it is: it supersedes what was signed with that
        nonce and not sent. For a ``sponsored`` transaction somebody else sends the account its fee
        before it is sent, so the balance is not asked.

        Raises:
            ConfigurationError: A field of ``request`` cannot be, or this ``Chain`` has no signer.
            RevertedError: It would revert; the reason is decoded.
            InsufficientFundsError: The account cannot pay it.
            NonceError: The nonce in ``request`` is another transaction's that is on its way.
            RpcError: The chain could not be asked.
            LedgerError: The store could not be written; no nonce is taken.

        Example:
            >>> chain = client.chains.payments
            >>> prepared = await chain.build(TxRequest(to=friend, value=1))
            >>> prepared.gas
            21000
            >>> await chain.discard(prepared)
        """
        self._dispatcher.check_open()
        draft = await self._completed(request, sponsored=sponsored)
        return draft.prepared(await self._dispatcher.lease(draft))

    async def discard(self, unwanted: PreparedTx | SignedTx) -> None:
        """Give a transaction's nonce back, that was built or signed here and not sent.

        The account's next transaction gets it. A signed one never expires by itself: if somebody
        else holds its bytes, the two race for the nonce, and the chain mines one of them.
        """
        tx = unwanted.tx if isinstance(unwanted, SignedTx) else unwanted
        await self._nonces.give_back(tx.sender, [tx.nonce])

    async def sign(self, prepared: PreparedTx, *, sponsored: bool = False) -> SignedTx:
        """Return ``prepared`` signed; what the signer returned is compared with what was asked.

        The bytes are written down, and the nonce stays theirs until they are mined, discarded or
        superseded. A ``sponsored`` one is for somebody else to send: it is sent before the
        account's next own transaction, unless that names its nonce. When the signer fails, the
        nonce is given back: build the transaction again.

        **Money**: the result can be sent by whoever holds it, for ever.

        Raises:
            SignerError: Another account's transaction, or the signer returned something else.
            SigningRejectedError: The owner, a policy or a device refused.
            PolicyRejectedError: The guard's policy does not allow it.
            NonceError: The lease has ended; build it again.
            LedgerError: The store could not be written; the nonce is given back.
        """
        self._dispatcher.check_open()
        signer = self._account()
        if signer.address != prepared.sender:
            raise SignerError(
                f"the transaction is of {prepared.sender}, the signer is {signer.address}",
                hint="Sign it on the Chain that built it.",
            )
        try:
            signed = await signed_by(signer, prepared)
            account = await self._nonces.account(prepared.sender)
            await self._journal.sign(account, [signed], sending=False, sponsored=sponsored)
        except BaseException:
            await self._dispatcher.release(prepared)
            raise
        return signed

    async def send(self, signed: SignedTx) -> PendingTx:
        """Hand ``signed`` to the chain and return what follows it.

        It is written down as sent first, and followed and sent again until it is mined or refused,
        also by another process when this one is gone. Sending the same ``SignedTx`` again is
        harmless. When the chain refuses it, its nonce is given back.

        **Money**: it may be mined from here on, also when ``RpcError`` is raised.

        Raises:
            TransactionError: The node refused it; nothing was spent.
            RpcError: It is not known whether it arrived (``spent`` is MAYBE).
            WrongChainError: The endpoint serves another chain; nothing was spent.
            LedgerError: It could not be written down, so it was not sent.
        """
        self._dispatcher.check_open()
        account = await self._nonces.account(signed.tx.sender)
        await self._dispatcher.keep_promises(signed.tx.sender, before=signed.tx.nonce)
        if superseded := await self._journal.send(account, [signed]):
            self._announcer.say(NonceSuperseded(superseded, signed.tx.nonce))
        (outcome,) = await self._outbox.post([signed])
        if isinstance(outcome, PendingTx):
            return outcome
        raise outcome

    def follow(self, signed: SignedTx) -> PendingTx:
        """Return what follows a transaction that was sent before, perhaps by another process."""
        return self._outbox.follow(signed)

    async def execute(
        self,
        request: TxRequest,
        *,
        request_id: str | None = None,
        confirmations: Confirmations = 1,
        timeout: float = 60.0,
    ) -> TxReceipt:
        """Build, sign, send and wait: exactly these four, going on through outages.

        With a ``request_id`` the same request can be asked for again, also by another process
        after a crash: it never becomes two transactions, and the first one's receipt is returned.
        ``timeout`` is in seconds, for everything.

        **Money**: value and fee; a stuck transaction is re-priced as ``bump`` allows.

        Raises:
            ChainError, SignerError, PolicyRejectedError, LedgerError: As the four.
            RequestConflictError: The ``request_id`` was used for another transaction.

        Example:
            >>> receipt = await client.chains.payments.execute(TxRequest(to=friend, value=1))
            >>> receipt.succeeded
            True
        """
        outcome = (
            await self.execute_many(
                [request],
                request_ids=None if request_id is None else [request_id],
                confirmations=confirmations,
                timeout=timeout,
            )
        )[0]
        if isinstance(outcome, OpenGradientError):
            raise outcome
        return outcome

    async def execute_many(
        self,
        requests: Sequence[TxRequest],
        *,
        request_ids: Sequence[str] | None = None,
        confirmations: Confirmations = 1,
        timeout: float = 600.0,
    ) -> list[TxReceipt | OpenGradientError]:
        """Execute many transactions of the account at once; return one outcome each, in order.

        Their nonces are in the order of ``requests``, and none waits for the one before to be
        mined. A request that fails is its error as a value and takes no nonce; the others go on.
        Each is simulated before those ahead of it have happened: set ``gas`` where one depends on
        another. ``request_ids`` are as in ``execute``, ``timeout`` is in seconds, for all.

        **Money**: value and fee of each.

        Raises:
            ConfigurationError: Not one ``request_id`` for each request, or one twice.
        """
        return await self._executor.run(
            self._completed,
            requests,
            request_ids,
            owner=self._account().address,
            confirmations=confirmations,
            timeout=timeout,
        )

    async def reserved(self) -> list[Slot]:
        """Return the nonces of transactions that were signed here and not sent, oldest first."""
        account = await self._nonces.account(self._account().address)
        return await self._journal.slots(account, SlotState.SIGNED)

    def _resume(self) -> None:
        """Take over, once and in the background, what a process that is gone had on its way."""
        if not self._resumed and self._signer is not None:
            self._resumed = True
            self._supervisor.spawn(self._outbox.resume(), name="take transactions over")

    async def _completed(self, request: TxRequest, *, sponsored: bool = False) -> Draft:
        check_request(request)
        self._resume()
        draft = Draft(request, self._account().address)
        for filler in self._fillers:
            if sponsored and isinstance(filler, Funds):
                continue
            draft = await filler.fill(draft, self.rpc)
        draft.most()  # shows what is missing before a nonce is leased
        return draft

    def _account(self) -> Signer:
        if self._signer is None:
            raise ConfigurationError(
                f"there is no signer for {self.profile.name}, so it can only be read",
                hint="Pass signer=LocalSigner(key), or another Signer, to the Chain.",
            )
        return self._signer


def _check_signer(signer: object) -> None:
    """Refuse what looks like a wallet and is none; the text of a key is not repeated.

    Raises:
        ConfigurationError: Neither a signer nor ``None``.
    """
    if isinstance(signer, str | bytes):
        raise ConfigurationError(
            f"a {type(signer).__name__} is no signer", hint="Pass LocalSigner(key)."
        )
    if signer is not None:
        signer_from(signer)


def _ignored(_event: ChainEvent) -> None:
    """Do nothing: nobody asked to be told."""
