"""Faults of a Devnet that lives on another thread."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType

from ..._core.portal import Portal
from ..network import Devnet
from .injecting import Injected, inject, let_clients_notice


class Striking:
    """``inject`` on a Devnet's own thread: ``with`` or ``async with`` gives ``Injected``.

    Entering and leaving block the caller for a moment. In coroutines prefer ``async with``, which
    also lets clients on the caller's event loop see that idle connections have been closed.
    """

    def __init__(
        self, portal: Portal, net: Devnet, name: str, *, node: int, seed: int, times: int
    ) -> None:
        self._portal = portal
        self._net = net
        self._name = name
        self._node = node
        self._seed = seed
        self._times = times
        self._exit = AsyncExitStack()

    def __enter__(self) -> Injected:
        return self._portal.call(self._begin())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._portal.call(self._exit.aclose())

    async def __aenter__(self) -> Injected:
        injected = self.__enter__()
        await let_clients_notice()
        return injected

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    async def _begin(self) -> Injected:
        return await self._exit.enter_async_context(
            inject(self._net, self._name, node=self._node, seed=self._seed, times=self._times)
        )
