"""A whole network on this machine: how it is put together, driven and taken down."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Final, Literal, Self

from .._core.clock import ShiftedClock
from ..client.config import Trust
from ..errors import ConfigurationError
from ..profiles import Profile, devnet_profile
from ..signers import Signer
from ..types import Address, Amount, Bytes32, keccak256
from .accounts import devnet_key, devnet_signer
from .books import Books
from .contracts import GenesisAccount, addresses, artifacts, genesis_alloc
from .evm import Anvil, Evm, PyEvm
from .facilitator import Facilitator
from .facilitator.account import Account
from .facilitator.evm import Rpc
from .node import Node, TestRoot
from .registrar import Registrar, registry_address

_OPG_EACH: Final = 1_000 * 10**18
_OPG_TREASURY: Final = 10**9 * 10**18
_WEI_EACH: Final = 100 * 10**18
_WEI_OPERATOR: Final = 10**6 * 10**18


class Devnet:
    """A whole OpenGradient network on this machine, alive inside ``async with``.

    It has one or two chains with the network's contracts, a facilitator that settles on them, and
    nodes that are registered, attested and answer over HTTPS. Several can run side by side. When
    the block ends, no process, port, task or file is left.

    **Money**: none. Its keys are public and its tokens are its own.
    **Trust**: signatures and payments are really verified. Attestation documents are verified under
    a root of the Devnet's own; on anvil a contract named ``MockAttestation`` believes them.

    Args:
        evm: ``"py-evm"`` runs in this process; ``"anvil"`` runs the anvil program, which has a
            pool of waiting transactions, replacements and reorgs.
        chains: 1 for one chain, 2 for payments and registry on chains of their own, as in
            production.
        chain_id: The payments chain's id. 8453 lets unmodified clients of the production network
            pay here.
        registry_chain_id: The registry chain's id, where there are two chains.
        nodes: How many nodes serve.
        registry: Which generation of registry and node software is imitated.
        upstream: Base URL of an OpenAI-compatible server (``http://host/v1``) that the nodes answer
            from; without one the built-in model ``devnet/echo`` does.
        accounts: How many funded accounts ``accounts`` has: 1000 OPG and 100 ETH each.
        finality_depth: How many blocks ``finalized`` lags behind ``latest`` (even, on anvil).
        idle_seconds: After how long without a request a node settles a session.

    Raises:
        ConfigurationError: A value is none of these.
    """

    def __init__(
        self,
        *,
        evm: Literal["py-evm", "anvil"] = "py-evm",
        chains: Literal[1, 2] = 1,
        chain_id: int = 31337,
        registry_chain_id: int = 10740,
        nodes: int = 1,
        registry: Literal["july", "april"] = "july",
        upstream: str | None = None,
        accounts: int = 10,
        finality_depth: int = 8,
        idle_seconds: float = 100.0,
    ) -> None:
        _require("evm", evm, evm in ("py-evm", "anvil"))
        _require("chains", chains, chains in (1, 2))
        _require("registry", registry, registry in ("july", "april"))
        _require("nodes", nodes, nodes >= 0)
        _require("accounts", accounts, accounts >= 1)
        _require("chain_id", chain_id, chain_id > 0)
        distinct = chains == 1 or (registry_chain_id > 0 and registry_chain_id != chain_id)
        _require("registry_chain_id", registry_chain_id, distinct)
        self.clock = ShiftedClock()
        self.accounts: tuple[Signer, ...] = tuple(
            devnet_signer(f"account-{index}") for index in range(accounts)
        )
        self._evm: Literal["py-evm", "anvil"] = evm
        self._chain_id = chain_id
        self._registry_chain_id = registry_chain_id if chains == 2 else chain_id
        self._node_count = nodes
        self._registry: Literal["july", "april"] = registry
        self._upstream = upstream
        self._finality_depth = finality_depth
        self._idle_seconds = idle_seconds
        self._born = 0
        self._parts: _Parts | None = None
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._parts = await self._assemble(stack)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._parts = None
        await self._exit.aclose()

    @property
    def profile(self) -> Profile:
        """The network as a client is told of it, with the Devnet's clock in it."""
        return self._running().profile

    @property
    def trust(self) -> Trust:
        """What makes ``require=Assurance.ATTESTED`` possible here: the Devnet's root and build.

        **Trust**: worth nothing outside of this Devnet, which made the root for itself.
        """
        registrar = self._running().registrar
        return Trust(
            measurements=frozenset({registrar.build_hash}),
            attestation_root=registrar.root.pem,
        )

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that point a client of another process here.

        **Money**: ``OG_PRIVATE_KEY`` is the public key to a worthless account.
        """
        profile = self.profile
        return {
            "OG_PRIVATE_KEY": "0x" + devnet_key("account-0").hex(),
            "OG_NETWORK": f"devnet:{self._chain_id}:{self._registry_chain_id}",
            "OG_RPC_URL": self.chain.rpc_url,
            "OG_PAYMENT_RPC_URL": self.chain.rpc_url,
            "OG_REGISTRY_RPC_URL": self.registry_chain.rpc_url,
            "OG_TEE_REGISTRY": profile.tee_registry,
        }

    @property
    def chain(self) -> Evm:
        """The chain that payments are made on."""
        return self._running().payments

    @property
    def registry_chain(self) -> Evm:
        """The chain with the registry; the same one where there is only one."""
        return self._running().registry

    @property
    def facilitator(self) -> Facilitator:
        """Who verifies and settles payments."""
        return self._running().facilitator

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, all registered."""
        return self._running().nodes

    def books(self) -> Books:
        """Return what every payer has authorized, been served and paid so far."""
        parts = self._running()
        return Books(parts.facilitator.records, parts.nodes)

    async def advance(self, seconds: float) -> None:
        """Move time forward, and return when everything that became due by it is done.

        Sessions that are idle by then are settled on chain, batches of hashes are written down, and
        heartbeats are sent.

        Raises:
            ValueError: ``seconds`` is negative.
            ChainError: A batch of hashes did not reach the chain.
        """
        parts = self._running()
        self.clock.advance(seconds)
        await self.mine()
        await _together(node.tick() for node in parts.nodes)
        await parts.facilitator.drain()

    async def mine(self, blocks: int = 1) -> None:
        """Mine empty blocks on every chain, for those who wait for confirmations."""
        parts = self._running()
        for chain in parts.chains:
            await chain.mine(blocks)

    async def new_account(
        self,
        *,
        opg: Amount | str | int | Decimal = 0,
        eth: Amount | str | int | Decimal = 0,
    ) -> Signer:
        """Return an account that nobody has used, with ``opg`` and ``eth`` on the payments chain.

        Integers are atoms and wei, strings whole tokens (``"0.5"``).
        """
        self._running()
        signer = devnet_signer(f"new-account-{self._born}")
        self._born += 1
        await self.fund(signer.address, opg=opg, eth=eth)
        return signer

    async def register(
        self,
        *,
        endpoint: str,
        public_key_der: bytes,
        tls_certificate_der: bytes,
        pay_to: Address,
    ) -> Bytes32:
        """List a server of your own as an active node, attested under the Devnet's root.

        Returns its tee id. It stays active for half an hour of the Devnet's time, unless it sends
        heartbeats to the facilitator as nodes do.
        """
        await self._running().registrar.register(
            endpoint=endpoint,
            public_key_der=public_key_der,
            tls_certificate_der=tls_certificate_der,
            pay_to=pay_to,
        )
        return Bytes32(keccak256(public_key_der))

    async def fund(
        self,
        account: Address,
        *,
        opg: Amount | str | int | Decimal = 0,
        eth: Amount | str | int | Decimal = 0,
    ) -> None:
        """Give ``account`` OPG and ETH on the payments chain, out of nowhere.

        Integers are atoms and wei, strings whole tokens (``"0.5"``).
        """
        treasury = self._running().treasury
        if wei := Amount.parse(eth, symbol="ETH"):
            await treasury.execute(account, value=wei.atoms)
        if atoms := Amount.parse(opg):
            transfer = artifacts.load("OPG").encode_call("transfer", account, atoms.atoms)
            await treasury.execute(addresses.OPG, transfer)

    async def _assemble(self, stack: AsyncExitStack) -> _Parts:
        """Start the parts, each before those that need it; ``stack`` stops them in reverse."""
        state_dir = stack.enter_context(tempfile.TemporaryDirectory(prefix="opengradient-devnet-"))
        root = TestRoot(self.clock.now())
        payments, registry = await self._start_chains(stack, root)
        facilitator = Facilitator(
            payments=payments,
            registry=registry,
            key=devnet_key("facilitator"),
            heartbeat_contract=self._registry_address,
            relay=addresses.SETTLEMENT_RELAY,
            clock=self.clock,
        )
        stack.push_async_callback(facilitator.stop)
        await facilitator.start()
        nodes = await self._start_nodes(stack, facilitator, root)
        admin = Account(Rpc(registry), devnet_signer("admin"))
        registrar = Registrar(admin, self._registry, root, self.clock)
        await registrar.approve_build()
        for node in nodes:
            await registrar.register(
                endpoint=node.endpoint,
                public_key_der=node.public_key_der,
                tls_certificate_der=node.tls_certificate_der,
                pay_to=node.pay_to,
            )
        profile = devnet_profile(
            payment_rpc_urls=(payments.rpc_url,),
            registry_rpc_urls=(registry.rpc_url,),
            chain_id=payments.chain_id,
            registry_chain_id=registry.chain_id,
            tee_registry=self._registry_address,
            settlement_relay=addresses.SETTLEMENT_RELAY,
            clock=self.clock,
            state_dir=state_dir,
        )
        treasury = Account(Rpc(payments), devnet_signer("treasury"))
        return _Parts(payments, registry, facilitator, nodes, profile, registrar, treasury)

    async def _start_chains(self, stack: AsyncExitStack, root: TestRoot) -> tuple[Evm, Evm]:
        alloc = self._alloc(root)
        kind = Anvil if self._evm == "anvil" else PyEvm
        chains: list[Evm] = []
        for chain_id in dict.fromkeys((self._chain_id, self._registry_chain_id)):
            chain: Evm = kind(
                chain_id=chain_id,
                alloc=alloc,
                clock=self.clock,
                finality_depth=self._finality_depth,
            )
            stack.push_async_callback(chain.stop)
            chains.append(chain)
        await _together(chain.start() for chain in chains)
        return chains[0], chains[-1]

    async def _start_nodes(
        self, stack: AsyncExitStack, facilitator: Facilitator, root: TestRoot
    ) -> tuple[Node, ...]:
        nodes = tuple(
            Node(
                name=f"node-{index}",
                facilitator_url=facilitator.url,
                chain_id=self._chain_id,
                opg=addresses.OPG,
                clock=self.clock,
                pay_to=devnet_signer(f"payee-{index}").address,
                heartbeat_contract=self._registry_address,
                upstream=self._upstream,
                mode=self._registry,
                idle_seconds=self._idle_seconds,
                root=root,
            )
            for index in range(self._node_count)
        )
        for node in nodes:
            stack.push_async_callback(node.stop)
        await _together(node.start() for node in nodes)
        return nodes

    def _alloc(self, root: TestRoot) -> dict[Address, GenesisAccount]:
        operators = [devnet_signer(r).address for r in ("admin", "facilitator", "treasury")]
        users = [account.address for account in self.accounts]
        return genesis_alloc(
            admin=devnet_signer("admin").address,
            relayers=(devnet_signer("facilitator").address,),
            opg_balances={
                devnet_signer("treasury").address: _OPG_TREASURY,
                **dict.fromkeys(users, _OPG_EACH),
            },
            eth_balances={
                **dict.fromkeys(operators, _WEI_OPERATOR),
                **dict.fromkeys(users, _WEI_EACH),
            },
            root_certificate=root.pem,
            timestamp=int(self.clock.now()),
            registry=self._registry_address,
        )

    @property
    def _registry_address(self) -> Address:
        return registry_address(self._registry)

    def _running(self) -> _Parts:
        if self._parts is None:
            raise RuntimeError("this Devnet is not running: write `async with Devnet() as net`")
        return self._parts


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a running Devnet consists of."""

    payments: Evm
    registry: Evm
    facilitator: Facilitator
    nodes: tuple[Node, ...]
    profile: Profile
    registrar: Registrar = field(repr=False)
    treasury: Account = field(repr=False)

    @property
    def chains(self) -> tuple[Evm, ...]:
        """Every chain once."""
        return tuple(dict.fromkeys((self.payments, self.registry)))


async def _together(jobs: Iterable[Coroutine[object, object, None]]) -> None:
    """Run ``jobs`` at the same time; the first failure ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures


def _require(name: str, value: object, holds: bool) -> None:  # noqa: FBT001 - what holds is named
    if not holds:
        raise ConfigurationError(f"a Devnet cannot have {name}={value!r}")
