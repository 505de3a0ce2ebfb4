"""Leases: no nonce twice, no gap for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from opengradient_sdk.chain import NonceLeases, Rpc
from opengradient_sdk.errors import RpcError
from opengradient_sdk.types import Address

ALICE = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
BOB = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")


@pytest.fixture
def counted(node: Any) -> Callable[[int], None]:
    def is_at(count: int) -> None:
        node.results["eth_getTransactionCount"] = lambda *_: hex(count)

    is_at(0)
    return is_at


@pytest.fixture
def leases(rpc: Rpc, counted: Callable[[int], None]) -> NonceLeases:
    return NonceLeases(rpc)


async def test_concurrent_leases_differ_and_ask_the_chain_once(
    node: Any, leases: NonceLeases
) -> None:
    nonces = await asyncio.gather(*(leases.lease(ALICE) for _ in range(20)))
    assert sorted(nonces) == list(range(20))
    assert node.methods.count("eth_getTransactionCount") == 1


async def test_accounts_have_nonces_of_their_own(leases: NonceLeases) -> None:
    assert [await leases.lease(ALICE), await leases.lease(BOB)] == [0, 0]


async def test_a_nonce_given_back_is_leased_next(leases: NonceLeases) -> None:
    for _ in range(4):
        await leases.lease(ALICE)
    leases.give_back(ALICE, 1)
    assert [await leases.lease(ALICE), await leases.lease(ALICE)] == [1, 4]


async def test_giving_back_what_was_never_leased_changes_nothing(leases: NonceLeases) -> None:
    leases.give_back(BOB, 9)
    await leases.lease(ALICE)
    leases.give_back(ALICE, 9)
    assert await leases.lease(ALICE) == 1


async def test_after_a_nonce_too_low_the_chain_says_where_to_go_on(
    leases: NonceLeases, counted: Callable[[int], None]
) -> None:
    assert await leases.lease(ALICE) == 0
    counted(7)  # another program used the account
    leases.give_back(ALICE, 0)
    assert await leases.lease(ALICE) == 7


async def test_with_nothing_in_flight_other_programs_are_noticed(
    leases: NonceLeases, counted: Callable[[int], None]
) -> None:
    leases.mined(ALICE, await leases.lease(ALICE))
    counted(5)
    assert await leases.lease(ALICE) == 5


async def test_an_endpoint_that_lags_behind_does_not_send_us_back(leases: NonceLeases) -> None:
    leases.mined(ALICE, await leases.lease(ALICE))  # the node still says 0
    assert await leases.lease(ALICE) == 1


async def test_a_chain_that_was_set_back_is_believed_after_a_failure(leases: NonceLeases) -> None:
    leases.mined(ALICE, 8)
    assert await leases.lease(ALICE) == 9
    leases.give_back(ALICE, 9)
    assert await leases.lease(ALICE) == 0


async def test_nothing_is_leased_when_the_chain_cannot_be_asked(
    node: Any, leases: NonceLeases
) -> None:
    node.http = [web.Response(status=503) for _ in range(3)]
    with pytest.raises(RpcError):
        await leases.lease(ALICE)
    assert await leases.lease(ALICE) == 0
