"""Many customers, each in a process of its own that may be killed in the middle of anything.

A customer tells of each answer when nothing can lose it any more. Odd questions have an idempotency
key, and are durable when they are answered; even ones are when the ledger has been read. Processes
are forked from one that has everything loaded.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Final

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk._core.clock import ShiftedClock
from opengradient_sdk.client.reply import Reply
from opengradient_sdk.errors import OpenGradientError
from opengradient_sdk.profiles import Profile
from opengradient_sdk.signers import LocalSigner

ABREAST: Final = 4
"""Questions that one customer asks at the same time."""
QUESTION: Final = {"model": "openai/gpt-5", "max_tokens": 16}
_FORKING: Final = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(
    [__name__, "opengradient_sdk.client.work", "opengradient_sdk.client.resources.chat", "aiohttp"]
)


def has_key(number: int) -> bool:
    """Whether this question has an idempotency key."""
    return number % 2 == 1


@dataclass
class Customer:
    """A customer from outside of its process, and what it said, also before it was killed."""

    net: Devnet
    name: str
    key: str
    arguments: dict[str, Any]
    answers: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    failures: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def work(self, numbers: Sequence[int], *, until: int | None = None) -> None:
        """Ask these questions to the end, or be killed when ``until`` of them are answered."""
        near, far = _FORKING.Pipe(duplex=False)
        shift = self.net.clock.now() - time.time()  # its clock goes as the Devnet's does
        orders = Orders(self.name, self.key, shift, self.net.profile, self.arguments, numbers)
        process = _FORKING.Process(target=_serve, args=(far, orders), daemon=True)
        await asyncio.to_thread(process.start)
        far.close()
        try:
            async for told in _told(near):
                (self.failures if "error" in told else self.answers).append(told)
                if until is not None and len(self.answers) == until:
                    process.kill()  # what it has said before is still read
            await asyncio.to_thread(process.join)
        finally:
            process.kill()
            near.close()
        assert process.exitcode == (0 if until is None else -signal.SIGKILL), self.name

    async def work_twice(self, numbers: Sequence[int], *, until: int) -> None:
        """Be killed in the middle, and come again for what is not done; keys are asked again."""
        await self.work(numbers, until=until)
        done = {answer["number"] for answer in self.answers}
        await self.work([number for number in numbers if number not in done or has_key(number)])


@dataclass(frozen=True)
class Orders:
    """What a process is to do: whose money it spends, and what it asks."""

    name: str
    key: str = field(repr=False)
    shift: float
    network: Profile
    arguments: dict[str, Any]
    numbers: Sequence[int]


class Asking:
    """Asks questions, several at the same time, and says which answers are there to stay."""

    def __init__(
        self, client: AsyncOpenGradient, name: str, numbers: Iterable[int], ears: Connection
    ) -> None:
        self._client = client
        self._name = name
        self._left: Iterator[int] = iter(numbers)
        self._ears = ears

    async def all(self) -> None:
        """Ask every question."""
        async with asyncio.TaskGroup() as group:
            for _ in range(ABREAST):
                group.create_task(self._one_after_the_other())

    async def _one_after_the_other(self) -> None:
        for number in self._left:  # shared: each question is asked by one of them
            try:
                told = facts_of(await self._answered(number))
            except OpenGradientError as error:
                told = {"error": f"{type(error).__name__}: {error.short_message}"}
            self._ears.send({"number": number, **told})

    async def _answered(self, number: int) -> Reply:
        text = f"question {number} of {self._name}"
        if has_key(number):
            key = f"{self._name}-{number}"
            return await self._client.chat.create(messages=text, idempotency_key=key, **QUESTION)
        reply = await self._client.chat.create(messages=text, **QUESTION)
        await self._client.receipts.list(limit=1)
        return reply


def facts_of(reply: Reply) -> dict[str, Any]:
    """Return what the test compares with what the store says."""
    receipt = reply.receipt
    return {
        "id": receipt.id,
        "nonce": receipt.authorization.nonce,
        "cost": receipt.cost,
        "repeated": receipt.repeated,
    }


async def _told(pipe: Connection) -> Any:
    """Yield what a process says until it ends."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pipe.fileno(), ready.set)
    try:
        while True:
            await ready.wait()
            ready.clear()
            while pipe.poll():
                yield pipe.recv()
    except (EOFError, ConnectionResetError):
        return
    finally:
        loop.remove_reader(pipe.fileno())


def _serve(ears: Connection, orders: Orders) -> None:
    warnings.simplefilter("error")
    asyncio.run(_obey(ears, orders))


async def _obey(ears: Connection, orders: Orders) -> None:
    """Open the client, ask, and leave in peace."""
    async with AsyncOpenGradient(
        signer=LocalSigner.from_key(orders.key),
        network=orders.network,
        clock=ShiftedClock(orders.shift),
        **orders.arguments,
    ) as client:
        await Asking(client, orders.name, orders.numbers, ears).all()
