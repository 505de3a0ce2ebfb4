"""A Devnet on a thread of its own, for programs and tests with any event loop, or none."""

from __future__ import annotations

from decimal import Decimal
from types import TracebackType
from typing import Self

from .._core.portal import Portal
from ..client.config import Trust
from ..profiles import Profile
from ..signers import Signer
from ..types import Address, Amount
from .books import Books
from .faults.hosted import Striking
from .network import Devnet


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

    def inject(self, name: str, *, node: int = 0, seed: int = 0, times: int = 1) -> Striking:
        """Make the next ``times`` requests suffer a fault: ``faults.inject``, for ``with``.

        ``async with`` works too, from any event loop.

        Raises:
            ConfigurationError: On entering: there is no such fault or node, or no such chain.
        """
        return Striking(self._portal, self._net, name, node=node, seed=seed, times=times)
