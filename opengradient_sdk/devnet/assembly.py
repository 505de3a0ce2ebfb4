"""How a Devnet is put together: chains, facilitator, nodes, each before those that need it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final, Literal

from .._core.clock import Clock
from ..profiles import Profile, devnet_profile
from ..types import Address
from .accounts import devnet_key, devnet_signer
from .contracts import GenesisAccount, addresses, genesis_alloc
from .evm import Anvil, Evm, PyEvm
from .facilitator import Facilitator
from .facilitator.account import Account
from .facilitator.evm import Rpc
from .node import Node, TestRoot
from .registrar import Layout, Registrar, registry_address

_OPG_EACH: Final = 1_000 * 10**18
_OPG_TREASURY: Final = 10**9 * 10**18
_WEI_EACH: Final = 100 * 10**18
_WEI_OPERATOR: Final = 10**6 * 10**18


@dataclass(frozen=True, slots=True)
class Parts:
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


@dataclass(frozen=True, slots=True)
class Plan:
    """What a Devnet is to be; the arguments of ``Devnet``, with ``users`` its funded accounts."""

    evm: Literal["py-evm", "anvil"]
    chain_id: int
    registry_chain_id: int
    nodes: int
    layout: Layout
    upstream: str | None
    users: tuple[Address, ...]
    finality_depth: int
    idle_seconds: float
    clock: Clock

    @property
    def registry_address(self) -> Address:
        """Where the registry is."""
        return registry_address(self.layout)

    async def assemble(self, stack: AsyncExitStack) -> Parts:
        """Start the parts, each before those that need it; ``stack`` stops them in reverse."""
        state_dir = stack.enter_context(tempfile.TemporaryDirectory(prefix="opengradient-devnet-"))
        root = TestRoot(self.clock.now())
        payments, registry = await self._start_chains(stack, root)
        facilitator = Facilitator(
            payments=payments,
            registry=registry,
            key=devnet_key("facilitator"),
            heartbeat_contract=self.registry_address,
            relay=addresses.SETTLEMENT_RELAY,
            clock=self.clock,
        )
        stack.push_async_callback(facilitator.stop)
        await facilitator.start()
        nodes = await self._start_nodes(stack, facilitator, root)
        admin = Account(Rpc(registry), devnet_signer("admin"))
        registrar = Registrar(admin, self.layout, root, self.clock)
        await registrar.approve_build()
        for node in nodes:
            await registrar.register_node(node)
        profile = devnet_profile(
            payment_rpc_urls=(payments.rpc_url,),
            registry_rpc_urls=(registry.rpc_url,),
            chain_id=payments.chain_id,
            registry_chain_id=registry.chain_id,
            tee_registry=self.registry_address,
            settlement_relay=addresses.SETTLEMENT_RELAY,
            clock=self.clock,
            state_dir=state_dir,
            blob_urls=(facilitator.url,),
        )
        treasury = Account(Rpc(payments), devnet_signer("treasury"))
        return Parts(payments, registry, facilitator, nodes, profile, registrar, treasury)

    async def _start_chains(self, stack: AsyncExitStack, root: TestRoot) -> tuple[Evm, Evm]:
        alloc = self._alloc(root)
        kind = Anvil if self.evm == "anvil" else PyEvm
        chains: list[Evm] = []
        for chain_id in dict.fromkeys((self.chain_id, self.registry_chain_id)):
            chain: Evm = kind(
                chain_id=chain_id,
                alloc=alloc,
                clock=self.clock,
                finality_depth=self.finality_depth,
            )
            stack.push_async_callback(chain.stop)
            chains.append(chain)
        await together(chain.start() for chain in chains)
        return chains[0], chains[-1]

    async def _start_nodes(
        self, stack: AsyncExitStack, facilitator: Facilitator, root: TestRoot
    ) -> tuple[Node, ...]:
        nodes = tuple(
            Node(
                name=f"node-{index}",
                facilitator_url=facilitator.url,
                chain_id=self.chain_id,
                opg=addresses.OPG,
                clock=self.clock,
                pay_to=devnet_signer(f"payee-{index}").address,
                heartbeat_contract=self.registry_address,
                upstream=self.upstream,
                mode=self.layout,
                idle_seconds=self.idle_seconds,
                root=root,
            )
            for index in range(self.nodes)
        )
        for node in nodes:
            stack.push_async_callback(node.stop)
        await together(node.start() for node in nodes)
        return nodes

    def _alloc(self, root: TestRoot) -> dict[Address, GenesisAccount]:
        operators = [devnet_signer(r).address for r in ("admin", "facilitator", "treasury")]
        return genesis_alloc(
            admin=devnet_signer("admin").address,
            relayers=(devnet_signer("facilitator").address,),
            opg_balances={
                devnet_signer("treasury").address: _OPG_TREASURY,
                **dict.fromkeys(self.users, _OPG_EACH),
            },
            eth_balances={
                **dict.fromkeys(operators, _WEI_OPERATOR),
                **dict.fromkeys(self.users, _WEI_EACH),
            },
            root_certificate=root.pem,
            timestamp=int(self.clock.now()),
            registry=self.registry_address,
        )


async def together(jobs: Iterable[Coroutine[object, object, None]]) -> None:
    """Run ``jobs`` at the same time; the first failure ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
