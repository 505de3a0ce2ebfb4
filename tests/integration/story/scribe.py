"""One who asks questions and says what became of them, here or in a process of its own.

As a program it reads orders from its input, one JSON object a line, and answers each with a line.
Its first line is the arguments of the client; wallet and network come from the environment.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from opengradient_sdk import AsyncOpenGradient
from opengradient_sdk._core.clock import ShiftedClock
from opengradient_sdk.ledger.impact import Impact
from opengradient_sdk.payments.status import PaymentState
from opengradient_sdk.signers import Signer
from opengradient_sdk.types import Address, PreparedTx, SignedTx, TypedData

QUESTION = {"model": "openai/gpt-5", "max_tokens": 16}


class Wallet:
    """A signer that remembers the nonces of what it signed: the test's own book of payments."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.nonces: list[str] = []

    @property
    def address(self) -> Address:
        return self._signer.address

    async def sign_transaction(self, tx: PreparedTx) -> SignedTx:
        return await self._signer.sign_transaction(tx)

    async def sign_typed_data(self, data: TypedData) -> bytes:
        self.nonces.append(str(data.message["nonce"]))
        return await self._signer.sign_typed_data(data)


class Scribe:
    """Does what orders say with one client, one question after the other."""

    def __init__(self, client: AsyncOpenGradient, wallet: Wallet) -> None:
        self.client = client
        self._wallet = wallet

    async def tell(self, order: Mapping[str, Any]) -> Any:
        """Do what an order says, and return what its giver wants to know of it."""
        match order["do"]:
            case "passage":
                return await self._passage(order)
            case "look":  # which nodes are there now, and what the registry has said
                await self.client.nodes.list(refresh=True)
                await self.client.timeline.history()
            case "settle":
                receipt = await self.client.receipts.wait(order["id"], timeout=60)
                assert receipt.payment.state in (PaymentState.SETTLED, PaymentState.FINAL)
            case "impact":
                return names_of(await self.client.timeline.impact(version=order["version"]))
            case other:
                raise ValueError(f"nobody knows how to {other!r}")
        return None

    async def _passage(self, order: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Ask the questions of one passage, in a run of its own if it has a name."""
        run = order["run"]
        known: dict[str, str] = dict(order["known"])
        told: list[dict[str, Any]] = []
        with self.client.lineage(run, chain=order["chain"]) if run else nullcontext() as entered:
            for ask in order["asks"]:
                parents = ask["parents"]
                id_ = await self._ask(ask, parents and [known[name] for name in parents])
                known[ask["name"]] = id_
                told.append(
                    {
                        "id": id_,
                        # asked one by one, of one node: the last one signed is the one that pays
                        "nonce": self._wallet.nonces[-1],
                        "owner": self._wallet.address,
                        "run": entered and entered.id,
                    }
                )
        return told

    async def _ask(self, ask: Mapping[str, Any], parents: Sequence[str] | None) -> str:
        reply = await self.client.chat.create(
            messages=f"{ask['name']}, please", tag=ask["tag"], parents=parents, **QUESTION
        )
        return reply.receipt.id


def names_of(impact: Impact) -> dict[str, Any]:
    """Return what an impact names, each kind sorted: what the test's own book says as well."""
    return {
        "outputs": sorted(each.id for each in impact.outputs),
        "downstream": sorted(each.id for each in impact.downstream),
        "payments": sorted([each.owner.lower(), str(each.nonce)] for each in impact.payments),
        "runs": sorted([mark.name, mark.outputs, mark.downstream] for mark in impact.runs),
        "tags": sorted([mark.name, mark.outputs, mark.downstream] for mark in impact.tags),
        "missing": sorted(impact.missing),
        "uncertain": sorted(impact.uncertain),
    }


async def main() -> None:
    """Open a client, and obey until the input ends."""
    from opengradient_sdk.signers import LocalSigner

    lines = asyncio.StreamReader(limit=1 << 20)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    arguments = json.loads(await lines.readline())
    clock = ShiftedClock(arguments.pop("shift"))
    wallet = Wallet(LocalSigner.from_key(arguments.pop("key")))
    async with AsyncOpenGradient(signer=wallet, clock=clock, **arguments) as client:
        scribe = Scribe(client, wallet)
        print(json.dumps("ready"), flush=True)
        while line := await lines.readline():
            order = json.loads(line)
            clock.advance(order.pop("later"))
            print(json.dumps(await scribe.tell(order)), flush=True)
    transport.close()


if __name__ == "__main__":
    asyncio.run(main())
