"""A node of the Devnet: an attested gateway that sells answers for OPG."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from ..._core.clock import Clock
from ...types import Address, Bytes32
from .attestation import FIRST_BUILD, TestRoot, devnet_pcrs, make_document
from .data_settlement import DataSettlement
from .duties import Heartbeat, Reaper
from .echo import EchoModel
from .exchange import Services
from .facilitator_client import FacilitatorClient
from .faults import Faults
from .identity import Enclave
from .inference import Inference
from .models import Mode, Model
from .paywall import Paywall
from .pricing import PriceList
from .server import NodeServer
from .sessions import Session, SessionBook
from .tasks import stop_task
from .upstream import UpstreamModel

DEFAULT_SESSION_CAP: Final = 10**17
DEFAULT_IDLE_SECONDS: Final = 100.0
DEFAULT_OPG_USD: Final = Decimal("0.10")
_SHORTEST_PERIOD: Final = 5.0
_LONGEST_PERIOD: Final = 30.0


class Node:
    """Serves paid, signed chat over HTTPS on a free loopback port, as the network's nodes do.

    Nothing is done before ``start``: it makes the keys, which are new at every start, and opens the
    port. From then on sessions are settled and heartbeats sent when the clock says so; ``tick``
    does that at once for whoever moves the clock.

    Args:
        name: Used in the certificate's subject.
        facilitator_url: Where payments are verified and settled.
        chain_id: The chain that payments are made on.
        opg: The token.
        clock: Whose time it is.
        pay_to: Who is paid.
        heartbeat_contract: The registry that heartbeats go to.
        upstream: Base URL of an OpenAI-compatible server (``http://host/v1``); without one the
            built-in model ``devnet/echo`` answers.
        mode: Which node software is imitated: of ``july`` or of ``april``.
        session_cap: Atoms of OPG that every payment authorizes.
        idle_seconds: After this long without a request a session is settled.
        opg_usd: The price of one OPG that the node reckons with.
        root: The authority of attestation documents; without one the node makes its own.
        build: The build whose measurements the documents carry.
    """

    def __init__(
        self,
        *,
        name: str,
        facilitator_url: str,
        chain_id: int,
        opg: Address,
        clock: Clock,
        pay_to: Address,
        heartbeat_contract: Address,
        upstream: str | None = None,
        mode: Mode = "july",
        session_cap: int = DEFAULT_SESSION_CAP,
        idle_seconds: float = DEFAULT_IDLE_SECONDS,
        opg_usd: Decimal = DEFAULT_OPG_USD,
        root: TestRoot | None = None,
        build: str = FIRST_BUILD,
    ) -> None:
        self.name = name
        self.mode: Mode = mode
        self.faults = Faults()
        self.build = build
        self.pcrs: Mapping[int, bytes] = devnet_pcrs(build)
        self._facilitator_url = facilitator_url
        self._network = f"eip155:{chain_id}"
        self._opg = opg
        self._clock = clock
        self._pay_to = pay_to
        self._heartbeat_contract = heartbeat_contract
        self._upstream = upstream
        self._session_cap = session_cap
        self._idle_seconds = idle_seconds
        self._prices = PriceList(opg_usd, mode)
        self._root = root
        self._book = SessionBook()
        self._before: tuple[Session, ...] = ()
        self._parts: _Parts | None = None
        self._exit = AsyncExitStack()

    async def start(self) -> None:
        """Make the keys, open the port and begin to do the node's duties.

        Raises:
            OSError: There is no free port; nothing is left running.
        """
        async with AsyncExitStack() as stack:
            self._parts = await self._assemble(stack)
            self._exit = stack.pop_all()

    async def stop(self) -> None:
        """Close the port and stop all work. Sessions that are not settled stay unsettled."""
        await self._exit.aclose()

    async def replace(self, build: str) -> None:
        """Be stopped in good order, and start again as another build, with new keys and port.

        What is owed on sessions that serve nobody is settled first, and records of answers are
        sent. The former build's sessions stay among ``sessions``.

        Raises:
            OSError: There is no free port; the node is stopped.
        """
        for session in self._book.every:
            await self.settle(session)
        await self._running().records.drain()
        await self.stop()
        self.forget_sessions()
        former = self.sessions
        self.build, self.pcrs = build, devnet_pcrs(build)
        await self.start()
        self._before = former

    async def tick(self) -> None:
        """Do what is due by the clock, and return when it is done.

        Sends the records of answers, settles sessions that are idle or exhausted, and sends a
        heartbeat. What the facilitator does not take is tried again at the next tick.
        """
        parts = self._running()
        async with parts.ticking:
            await parts.records.drain()
            await parts.reaper.settle_due()
            await parts.heartbeat.send_if_due()

    @property
    def endpoint(self) -> str:
        """The node's base URL, ``https://127.0.0.1:port``."""
        return self._running().endpoint

    @property
    def tee_id(self) -> Bytes32:
        """Keccak-256 of the signing key's DER."""
        return self._running().enclave.tee_id

    @property
    def public_key_der(self) -> bytes:
        """The signing key as DER SubjectPublicKeyInfo."""
        return self._running().enclave.public_key_der

    @property
    def tls_certificate_der(self) -> bytes:
        """The certificate that TLS presents."""
        return self._running().enclave.tls_certificate_der

    @property
    def pay_to(self) -> Address:
        """Who is paid."""
        return self._pay_to

    @property
    def root(self) -> TestRoot:
        """The authority under which this node is attested."""
        return self._running().root

    @property
    def sessions(self) -> tuple[Session, ...]:
        """All sessions since the start, settled ones too, in the order of their opening.

        Those of the builds that this one replaced come first.
        """
        return (*self._before, *self._book.every)

    @property
    def requests(self) -> Counter[str]:
        """How many requests each path has had."""
        return self._running().server.requests

    def forget_sessions(self) -> None:
        """Lose every session that is not settled, as a restart does; nobody pays for them."""
        self._book.forget()

    async def settle(self, session: Session) -> None:
        """Hand in what is owed on a session at once, if it is open and nobody is served on it."""
        await self._running().reaper.settle_now(session)

    async def hang_up_idle(self) -> None:
        """Close every connection on which nothing is under way; return when they are gone."""
        await self._running().server.hang_up_idle()

    def attestation_document(self, nonce: bytes | None = None) -> bytes:
        """Return a fresh attestation document (COSE_Sign1 bytes) of key, certificate and PCRs."""
        parts = self._running()
        return make_document(
            parts.root,
            tls_certificate_der=parts.enclave.tls_certificate_der,
            signing_key_der=parts.enclave.public_key_der,
            pcrs=self.pcrs,
            now=self._clock.now(),
            nonce=nonce,
        )

    async def _assemble(self, stack: AsyncExitStack) -> _Parts:
        """Start the parts one on top of the other; ``stack`` stops them in reverse."""
        now = self._clock.now()
        enclave = await Enclave.create(self.name, now)
        stack.callback(enclave.close)
        root = await asyncio.to_thread(TestRoot, now) if self._root is None else self._root
        facilitator = FacilitatorClient(self._facilitator_url, self._network, self.faults)
        await facilitator.start()
        stack.push_async_callback(facilitator.stop)
        records = DataSettlement(facilitator, self._clock)
        records.start()
        stack.push_async_callback(records.stop)
        model: Model = EchoModel()
        if self._upstream is not None:
            model = UpstreamModel(self._upstream)
            stack.push_async_callback(model.close)
        self._book, self._before = SessionBook(), ()
        paywall = Paywall(
            book=self._book,
            facilitator=facilitator,
            network=self._network,
            opg=self._opg,
            pay_to=self._pay_to,
            cap=self._session_cap,
            clock=self._clock,
        )
        stack.push_async_callback(paywall.stop)
        heartbeat = Heartbeat(
            enclave, facilitator, self._heartbeat_contract, self._clock, self.faults
        )
        inference = Inference(
            Services(enclave, self._prices, model, records, self._clock, self.faults, self.mode)
        )
        server = NodeServer(
            enclave=enclave,
            paywall=paywall,
            inference=inference,
            heartbeat=heartbeat,
            prices=self._prices,
            attest=self.attestation_document,
            wallet=self._pay_to,
            clock=self._clock,
            faults=self.faults,
        )
        stack.push_async_callback(server.stop)
        port = await server.start()
        reaper = Reaper(self._book, facilitator, self._clock, self.faults, self._idle_seconds)
        duties = asyncio.create_task(self._do_duties(), name=f"devnet-node-{self.name}")
        stack.push_async_callback(stop_task, duties)
        return _Parts(
            f"https://127.0.0.1:{port}", enclave, root, server, records, reaper, heartbeat
        )

    async def _do_duties(self) -> None:
        """Tick in real time, for a Devnet that nobody drives by its clock."""
        period = max(_SHORTEST_PERIOD, min(self._idle_seconds / 4, _LONGEST_PERIOD))
        while True:
            await asyncio.sleep(period)
            await self.tick()

    def _running(self) -> _Parts:
        if self._parts is None:
            raise RuntimeError(f"node {self.name} is not started")
        return self._parts


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a started node consists of, as far as it is spoken to from outside."""

    endpoint: str
    enclave: Enclave
    root: TestRoot
    server: NodeServer
    records: DataSettlement
    reaper: Reaper
    heartbeat: Heartbeat
    ticking: asyncio.Lock = field(default_factory=asyncio.Lock)
