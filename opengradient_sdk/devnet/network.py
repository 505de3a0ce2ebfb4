"""A whole network on this machine: how it is driven and taken down."""

from __future__ import annotations

from contextlib import AsyncExitStack
from decimal import Decimal
from types import TracebackType
from typing import Literal, Self

from .._core.clock import ShiftedClock
from ..client.config import Trust
from ..errors import ConfigurationError
from ..profiles import Profile
from ..signers import Signer
from ..types import Address, Amount, Bytes32, keccak256
from .accounts import devnet_key, devnet_signer
from .assembly import Parts, Plan, together
from .books import Books
from .contracts import addresses, artifacts
from .evm import Evm
from .facilitator import Facilitator
from .node import Node
from .registrar import BUILD, build_hash


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
        self._plan = Plan(
            evm=evm,
            chain_id=chain_id,
            registry_chain_id=registry_chain_id if chains == 2 else chain_id,
            nodes=nodes,
            layout=registry,
            upstream=upstream,
            users=tuple(account.address for account in self.accounts),
            finality_depth=finality_depth,
            idle_seconds=idle_seconds,
            clock=self.clock,
        )
        self._born = 0
        self._parts: Parts | None = None
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._parts = await self._plan.assemble(stack)
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
        """What makes ``require=Assurance.ATTESTED`` possible here: the root and the first build.

        **Trust**: worth nothing outside of this Devnet, which made the root for itself.
        """
        return self.trust_of(BUILD)

    def trust_of(self, *builds: str) -> Trust:
        """Return the trust in the Devnet's root and in these builds, approved or not.

        **Trust**: worth nothing outside of this Devnet, as `trust`.
        """
        return Trust(
            measurements=frozenset(build_hash(build) for build in builds),
            attestation_root=self._running().registrar.root.pem,
        )

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that point a client of another process here.

        **Money**: ``OG_PRIVATE_KEY`` is the public key to a worthless account.
        """
        profile = self.profile
        return {
            "OG_PRIVATE_KEY": "0x" + devnet_key("account-0").hex(),
            "OG_NETWORK": f"devnet:{self._plan.chain_id}:{self._plan.registry_chain_id}",
            "OG_RPC_URL": self.chain.rpc_url,
            "OG_PAYMENT_RPC_URL": self.chain.rpc_url,
            "OG_REGISTRY_RPC_URL": self.registry_chain.rpc_url,
            "OG_TEE_REGISTRY": profile.tee_registry,
            "OG_SETTLEMENT_RELAY": profile.settlement_relay or "",
            "OG_BLOB_URL": ",".join(profile.blob_urls),
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
        await together(node.tick() for node in parts.nodes)  # what was answered is handed over now
        self.clock.advance(seconds)
        await self.mine()
        await together(node.tick() for node in parts.nodes)
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

    async def approve_build(self, build: str) -> Bytes32:
        """Approve a build of the Devnet's node, under its name as the version; return its PCR hash.

        The nodes run ``"devnet-1"``, which is approved from the start; any other name is a build
        with other measurements. One that was revoked may be approved again.

        Raises:
            RpcError: It is approved already.
        """
        return await self._running().registrar.approve_build(build)

    async def revoke_build(self, build: str | Bytes32) -> Bytes32:
        """Revoke a build by its name or its PCR hash, and return that hash.

        The registry disables every node that runs it; `enable` brings one back once its build is
        approved again.

        Raises:
            RpcError: It is not approved.
        """
        return await self._running().registrar.revoke_build(build)

    async def upgrade(self, node: Node, build: str) -> None:
        """Let a node run another build: new keys, certificate, port and tee id, newly registered.

        The old identity is disabled first, and what it is owed is settled, as far as it serves
        nobody at the moment. Whoever still has the old keys finds nobody there.

        Raises:
            ConfigurationError: The build is not approved; the node goes on as it was.
        """
        registrar = self._running().registrar
        if not await registrar.is_approved(build):
            raise ConfigurationError(
                f"no node can run the build {build!r}: it is not approved",
                hint="await net.approve_build(…) first",
            )
        if await registrar.is_enabled(node.tee_id):
            await registrar.disable(node.tee_id)
        await node.replace(build)
        await registrar.register_node(node)

    async def disable(self, node: Node) -> None:
        """Take a node off the list of those that clients call; it goes on serving who calls it.

        Raises:
            RpcError: It is not enabled.
        """
        await self._running().registrar.disable(node.tee_id)

    async def enable(self, node: Node) -> None:
        """Enable a node again.

        Raises:
            RpcError: Its build is not approved.
        """
        await self._running().registrar.enable(node.tee_id)

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

    def _running(self) -> Parts:
        if self._parts is None:
            raise RuntimeError("this Devnet is not running: write `async with Devnet() as net`")
        return self._parts


def _require(name: str, value: object, holds: bool) -> None:  # noqa: FBT001 - what holds is named
    if not holds:
        raise ConfigurationError(f"a Devnet cannot have {name}={value!r}")
