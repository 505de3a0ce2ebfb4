"""Customers in processes of their own, forked from one that has everything loaded."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any, Final

from .cells import Crash
from .customer import Present, Setting, Wish
from .subjects import watched

_FORKING: Final = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload([__name__, "opengradient_sdk.client.core", "aiohttp"])
_PATIENCE: Final = 60.0


class KilledError(Exception):
    """The customer's process was killed while it did what it was asked."""


class Away:
    """A customer in another process, which may be killed in the middle of anything."""

    def __init__(self, setting: Setting) -> None:
        self._near, far = _FORKING.Pipe()
        self._process = _FORKING.Process(target=_serve, args=(far, setting), daemon=True)
        self._far = far

    @classmethod
    async def come(cls, setting: Setting) -> Away:
        """Start the process and open the client in it."""
        customer = cls(setting)
        await asyncio.to_thread(customer._process.start)
        customer._far.close()
        await customer._answer()
        return customer

    async def choose(self) -> None:
        await self._ask("choose")

    async def wish(self, wish: Wish, crash: Crash | None = None) -> str | None:
        text: str | None = await self._ask("wish", wish, crash)
        return text

    async def look(self) -> None:
        await self._ask("look")

    async def settle(self) -> Mapping[str, int]:
        told: Mapping[str, int] = await self._ask("settle")
        return told

    async def leave(self) -> None:
        await self._ask("leave")
        await self._ended()

    async def kill(self) -> None:
        """End the process as a crash of the machine would."""
        self._process.kill()
        await self._ended()

    async def _ask(self, what: str, *arguments: Any) -> Any:
        try:
            self._near.send((what, arguments))
        except OSError:
            await self._ended()
            raise KilledError from None
        return await self._answer()

    async def _answer(self) -> Any:
        await self._readable()
        try:
            good, answer = self._near.recv()
        except (EOFError, OSError):
            await self._ended()
            raise KilledError from None
        if not good:
            raise AssertionError(answer)
        return answer

    async def _readable(self) -> None:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._near.fileno(), ready.set)
        try:
            await asyncio.wait_for(ready.wait(), _PATIENCE)
        finally:
            loop.remove_reader(self._near.fileno())

    async def _ended(self) -> None:
        await asyncio.to_thread(self._process.join)
        self._near.close()


def _serve(orders: Connection, setting: Setting) -> None:
    with watched(setting.subject):
        asyncio.run(_obey(orders, setting))


async def _obey(orders: Connection, setting: Setting) -> None:
    customer = await Present.come(setting)
    orders.send((True, None))
    what = ""
    while what != "leave":
        try:
            what, arguments = await asyncio.to_thread(orders.recv)
        except EOFError:  # nobody is left to give orders
            return
        try:
            told = await getattr(customer, what)(*arguments)
        except Exception as error:
            orders.send((False, repr(error)))
            raise
        orders.send((True, told))
