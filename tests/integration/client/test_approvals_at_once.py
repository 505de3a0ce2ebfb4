"""Clients of a new wallet that come at the same time hand out one approval, not one each."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.stores import DURABLE, location

from opengradient_sdk import AsyncOpenGradient, Devnet

from .kit import Customer


@pytest.mark.parametrize("kind", DURABLE)
async def test_clients_that_come_at_once_are_all_answered(
    net: Devnet, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    arguments = {
        "signer": await net.new_account(opg="5"),
        "network": net.profile,
        "store": location(kind, request, tmp_path),
        "store_key": str(tmp_path / "key"),
    }
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(AsyncOpenGradient(**arguments)) for _ in range(3)
        ]
        asked = [client.chat.create(**Customer.question()) for client in clients]
        replies = await asyncio.gather(*asked)
        assert all(reply.text for reply in replies)
        assert len({reply.receipt.authorization.nonce for reply in replies}) == 3
        await net.advance(130)
        await net.mine(9)
        for client in clients:
            await client.payments.resolve()
        settled = [
            await client.receipts.refresh(reply.receipt)
            for client, reply in zip(clients, replies, strict=True)
        ]
    assert [one.payment.amount for one in settled] == [reply.receipt.cost for reply in replies]
