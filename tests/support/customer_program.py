"""A customer in a process of its own: it does what each line of its input says.

Run by ``branches.Branch``, which reads the outcomes from its output. The network and the wallet
come from the environment. Its first line is the arguments of the client, every other one
``{"do": name, …}``. It can be told to die by SIGKILL at a point that nobody outside could hit.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from opengradient_sdk import AsyncOpenGradient
from opengradient_sdk._core.clock import ShiftedClock
from opengradient_sdk.client.once import Once
from opengradient_sdk.client.reply import Reply
from opengradient_sdk.errors import OpenGradientError
from opengradient_sdk.network.connection import NodeConnection

_PAID = ("PAYMENT-SIGNATURE", "X-Upto-Session")


def die() -> NoReturn:
    """End as a crash of the machine would: nothing is cleaned up, nothing is flushed."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def die_at_paid_requests(*, answered: bool) -> None:
    """Die when a paid request is about to leave, all written down; or with its answer unread."""
    post = NodeConnection.post

    async def dying(
        connection: NodeConnection, path: str, body: bytes, headers: Any, *, timeout: float
    ) -> Any:
        paid = any(name in headers for name in _PAID)
        if paid and not answered:
            die()
        answer = await post(connection, path, body, headers, timeout=timeout)
        if paid:
            die()
        return answer

    NodeConnection.post = dying  # type: ignore[method-assign]


def die_after_keeping() -> None:
    """Die when the answer is on disk, and the caller has not got it yet."""
    keep = Once.keep

    async def dying(once: Any, errand: Any) -> None:
        await keep(once, errand)
        die()

    Once.keep = dying  # type: ignore[method-assign]


POINTS: dict[str, Callable[[], None]] = {
    "before sending": lambda: die_at_paid_requests(answered=False),
    "after the answer": lambda: die_at_paid_requests(answered=True),
    "after keeping": die_after_keeping,
}


def outcome(result: Reply | BaseException) -> dict[str, Any]:
    """Return what the parent wants to know of a call."""
    if isinstance(result, Reply):
        receipt = result.receipt
        return {
            "text": result.text,
            "receipt": receipt.id,
            "repeated": receipt.repeated,
            "nonce": str(receipt.authorization.nonce),
        }
    if isinstance(result, OpenGradientError):
        told = {"error": type(result).__name__, "says": result.short_message, "hint": result.hint}
        return told | {"spent": result.spent.name}
    raise result


async def obey(client: AsyncOpenGradient, order: dict[str, Any]) -> Any:
    """Do what one line says."""
    match order["do"]:
        case "die":
            POINTS[order["when"]]()
            return None
        case "ask":
            questions = order["questions"]
            asked = [client.chat.create(**question) for question in questions]
            return [outcome(one) for one in await asyncio.gather(*asked, return_exceptions=True)]
        case "standing":
            standing = await client.budget.standing()
            return {"exposed": str(standing.exposed.atoms), "settled": str(standing.settled.atoms)}
        case other:
            raise ValueError(f"nobody knows how to {other!r}")


async def main() -> None:
    """Open a client, and obey until the input ends."""
    lines = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    arguments = json.loads(await lines.readline())
    clock = ShiftedClock(arguments.pop("shift"))
    async with AsyncOpenGradient(clock=clock, **arguments) as client:
        print(json.dumps("ready"), flush=True)
        while line := await lines.readline():
            print(json.dumps(await obey(client, json.loads(line))), flush=True)
    transport.close()


if __name__ == "__main__":
    asyncio.run(main())
