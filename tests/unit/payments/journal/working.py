"""A client in a process of its own, which does what it is told until it is killed.

working.py <store> <total or none>    one line of JSON on standard input for each step, and one
                                      on standard output for what came of it
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[4]))

from opengradient_sdk.errors import OpenGradientError
from opengradient_sdk.payments.journal import CallState
from tests.unit.payments.journal.clients import Client, a_call, a_reservation


async def do(client: Client, step: dict[str, Any]) -> str:
    """Take one step; return in a word what came of it."""
    journal = client.journal
    match step:
        case {"reserve": nonce}:
            await journal.reserve(a_reservation(nonce))
        case {"sign": nonce}:
            await client.signed(nonce)
        case {"admit": key, **rest}:
            admission = await journal.admit(a_call(f"{rest['by']}-{key}", key=key, nonce=1))
            return type(admission).__name__
        case {"serve": key, **rest}:
            admission = await journal.admit(a_call(f"{rest['by']}-{key}", key=key, nonce=1))
            admission.record.state, admission.record.cost = CallState.SERVED, 900
            await journal.finish(admission.record, f"reply to {key}".encode())
        case {"begin": id_}:
            journal.begin(a_call(id_, nonce=1))
            await journal.flushed()
        case {"inherit": _}:
            found = await journal.inherit()
            return json.dumps(sorted(one.life.authorization.nonce for one in found))
        case _:
            raise ValueError(step)
    return "done"


async def main(place: str, total: str) -> None:
    """Take every step that is read."""
    client = Client(place, total=None if total == "none" else int(total))
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            said = await do(client, json.loads(line))
        except OpenGradientError as error:
            said = type(error).__name__
        print(said, flush=True)
    await client.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
