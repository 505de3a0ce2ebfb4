"""A Devnet on a thread of its own, for programs and tests with any event loop, or none."""

from __future__ import annotations

from decimal import Decimal
from types import TracebackType
from typing import Self

from .._core.portal import Portal
from ..client.config import Trust
from ..errors import ConfigurationError
from ..profiles import Profile
from ..signers import Signer
from ..types import Address, Amount, Bytes32
from .books import Books
from .faults.hosted import Striking
from .network import Devnet
from .node import Node


class HostedDevnet:
    """A whole network that lives on its own event loop in its own thread, inside ``with``.

    What takes time blocks the caller until it is done, and may be called from anywhere: from a test
    without an event loop, or from a coroutine, whose loop stands still meanwhile. Nothing of the
    Devnet runs on the caller's loop.

    **Money**: none. Its keys are public and its tokens are its own.

    Args:
        net: A Devnet that is not running.
    """

    def __init__(self, net: Devnet) -> None:
        self._net = net
        self._portal = Portal("opengradient-devnet")

    def __enter__(self) -> Self:
        self._portal.start()
        try:
            self._portal.call(self._net.__aenter__())
        except BaseException:
            self._portal.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._portal.call(self._net.__aexit__(None, None, None))
        finally:
            self._portal.close()

    @property
    def profile(self) -> Profile:
        """The network as a client is told of it, with the Devnet's clock in it."""
        return self._net.profile

    @property
    def trust(self) -> Trust:
        """What makes ``require=Assurance.ATTESTED`` possible here."""
        return self._net.trust

    def trust_of(self, *builds: str) -> Trust:
        """Return the trust in the Devnet's root and in these builds, approved or not."""
        return self._net.trust_of(*builds)

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that point a client of another process here."""
        return self._net.env

    @property
    def accounts(self) -> tuple[Signer, ...]:
        """Funded accounts; their keys are public."""
        return self._net.accounts

    @property
    def node_count(self) -> int:
        """How many nodes serve."""
        return len(self._net.nodes)

    def books(self) -> Books:
        """Return what every payer has authorized, been served and paid so far."""

        async def read() -> Books:
            return self._net.books()

        return self._portal.call(read())

    def advance(self, seconds: float) -> None:
        """Move time forward, and return when everything that became due by it is done.

        Raises:
            ValueError: ``seconds`` is negative.
            ChainError: A batch of hashes did not reach the chain.
        """
        self._portal.call(self._net.advance(seconds))

    def mine(self, blocks: int = 1) -> None:
        """Mine empty blocks on every chain, for those who wait for confirmations."""
        self._portal.call(self._net.mine(blocks))

    def new_account(
        self,
        *,
        opg: Amount | str | int | Decimal = 0,
        eth: Amount | str | int | Decimal = 0,
    ) -> Signer:
        """Return an account that nobody has used, with ``opg`` and ``eth`` on the payments chain.

        Integers are atoms and wei, strings whole tokens (``"0.5"``).
        """
        return self._portal.call(self._net.new_account(opg=opg, eth=eth))

    def fund(
        self,
        account: Address,
        *,
        opg: Amount | str | int | Decimal = 0,
        eth: Amount | str | int | Decimal = 0,
    ) -> None:
        """Give ``account`` OPG and ETH on the payments chain, out of nowhere."""
        self._portal.call(self._net.fund(account, opg=opg, eth=eth))

    def approve_build(self, build: str) -> Bytes32:
        """Approve a build of the Devnet's node, under its name as the version; return its PCR hash.

        The nodes run ``"devnet-1"``, which is approved from the start; any other name is a build
        with other measurements. One that was revoked may be approved again.

        Raises:
            RpcError: It is approved already.
        """
        return self._portal.call(self._net.approve_build(build))

    def revoke_build(self, build: str | Bytes32) -> Bytes32:
        """Revoke a build by its name or its PCR hash, and return that hash.

        The registry disables every node that runs it; `enable` brings one back once its build is
        approved again.

        Raises:
            RpcError: It is not approved.
        """
        return self._portal.call(self._net.revoke_build(build))

    def upgrade(self, build: str, *, node: int = 0) -> None:
        """Let a node run another build: new keys, certificate, port and tee id, newly registered.

        Raises:
            ConfigurationError: There is no such node, or the build is not approved; the node goes
                on as it was.
        """
        self._portal.call(self._net.upgrade(self._node(node), build))

    def disable(self, *, node: int = 0) -> None:
        """Take a node off the list of those that clients call; it goes on serving who calls it.

        Raises:
            ConfigurationError: There is no such node.
            RpcError: It is not enabled.
        """
        self._portal.call(self._net.disable(self._node(node)))

    def enable(self, *, node: int = 0) -> None:
        """Enable a node again.

        Raises:
            ConfigurationError: There is no such node.
            RpcError: Its build is not approved.
        """
        self._portal.call(self._net.enable(self._node(node)))

    def tee_id(self, *, node: int = 0) -> Bytes32:
        """Return the id that a node is registered under now; `upgrade` gives it another one.

        Raises:
            ConfigurationError: There is no such node.
        """
        return self._node(node).tee_id

    def inject(self, name: str, *, node: int = 0, seed: int = 0, times: int = 1) -> Striking:
        """Make the next ``times`` requests suffer a fault: ``faults.inject``, for ``with``.

        ``async with`` works too, from any event loop.

        Raises:
            ConfigurationError: On entering: there is no such fault or node, or no such chain.
        """
        return Striking(self._portal, self._net, name, node=node, seed=seed, times=times)

    def _node(self, number: int) -> Node:
        nodes = self._net.nodes
        if not 0 <= number < len(nodes):
            raise ConfigurationError(
                f"there is no node {number}",
                hint=f"This Devnet has {len(nodes)}, counted from 0: Devnet(nodes=…).",
            )
        return nodes[number]
