"""The registry's history and its endpoints: those that lie, disagree, refuse or fall behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.lying_rpc import Lie, LyingRpc

from opengradient_sdk import Devnet
from opengradient_sdk._core.http import HttpClient
from opengradient_sdk._core.store import open_store
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.errors import ConfigurationError, RegistryUnavailableError, WrongChainError
from opengradient_sdk.ledger.timeline import (
    SCHEMA,
    RegistryHistory,
)
from opengradient_sdk.types import Address

from .timeline_kit import (
    FINALITY,
    ForkingRpc,
    ShrinkingRpc,
    StingyRpc,
    reading,
)


@pytest.fixture
async def net() -> AsyncIterator[Devnet]:
    async with Devnet(accounts=1) as network:
        yield network


async def test_endpoints_that_disagree_stop_the_history_and_are_named(net: Devnet) -> None:
    await net.mine(FINALITY)
    honest = net.registry_chain.rpc_url
    async with LyingRpc(honest) as liar, reading(net, ":memory:", honest, liar.url) as reader:
        for lie in (Lie.NO_LOGS, Lie.ANOTHER_TIME):
            liar.lie = lie
            with pytest.raises(RegistryUnavailableError) as caught:
                await reader.history.sync()
            assert "disagree" in caught.value.short_message
            assert liar.url.removeprefix("http://") in caught.value.short_message
            assert liar.told
        assert (await reader.history.timeline()).changes() == ()
        liar.lie = Lie.DOWN
        with pytest.raises(RegistryUnavailableError, match="cannot be read from"):
            await reader.history.sync()
        liar.lie = None
        timeline = await reader.now()
    assert [version.version for version in timeline.versions()] == ["devnet-1"]
    assert len(timeline.horizon.endpoints) == 2


async def test_a_final_block_that_is_another_one_is_not_built_upon(
    net: Devnet, tmp_path: Path
) -> None:
    place = str(tmp_path / "store")
    await net.mine(FINALITY)
    async with reading(net, place) as reader:
        await reader.history.sync()
    async with Devnet(accounts=1) as stranger, reading(stranger, place) as reader:
        await stranger.mine(2 * FINALITY)
        with pytest.raises(RegistryUnavailableError, match="was final"):
            await reader.history.sync()


async def test_what_is_no_registry_says_so(net: Devnet) -> None:
    http, store = HttpClient(), open_store(":memory:", SCHEMA)
    rpc = Rpc([net.registry_chain.rpc_url], http)
    common: dict[str, Any] = {"store": store, "clock": net.clock}
    nobody = RegistryHistory([rpc], Address("0x" + "77" * 20), chain_id=31337, **common)
    elsewhere = RegistryHistory([rpc], net.profile.tee_registry, chain_id=1, **common)
    with pytest.raises(RegistryUnavailableError, match="no contract answers"):
        await nobody.sync()
    with pytest.raises(WrongChainError):
        await elsewhere.sync()
    with pytest.raises(ConfigurationError, match="needs an RPC endpoint"):
        RegistryHistory([], net.profile.tee_registry, chain_id=1, **common)
    with pytest.raises(ConfigurationError, match="block -1"):
        RegistryHistory([rpc], net.profile.tee_registry, chain_id=1, **common, first_block=-1)
    await store.aclose()
    await http.aclose()


async def test_callers_at_the_same_time_share_a_reading(net: Devnet) -> None:
    async with reading(net) as reader:
        await asyncio.gather(*(reader.history.sync() for _ in range(20)))
        assert len((await reader.history.timeline())._sightings) <= 2


async def test_a_reading_that_is_cancelled_harms_nobody(net: Devnet) -> None:
    await net.mine(FINALITY)
    async with reading(net) as reader:
        task = asyncio.create_task(reader.history.sync())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [one.version for one in (await reader.now()).versions()] == ["devnet-1"]


async def test_ranges_that_are_refused_are_asked_for_in_pieces(net: Devnet) -> None:
    await net.approve_build("devnet-2")
    await net.mine(30)
    await net.revoke_build("devnet-2")
    honest = net.registry_chain.rpc_url
    async with reading(net) as all_at_once:
        expected = (await all_at_once.now()).changes()
    async with StingyRpc(honest) as proxy, reading(net, ":memory:", honest, proxy.url) as reader:
        assert (await reader.now()).changes() == expected
        assert proxy.refused
    async with StingyRpc(honest) as proxy, reading(net, ":memory:", proxy.url) as reader:
        proxy.most = 0  # not even one block
        with pytest.raises(RegistryUnavailableError, match="more than 10000 results"):
            await reader.history.sync()


async def test_blocks_that_are_replaced_while_they_are_read_are_not_kept(net: Devnet) -> None:
    async with (
        ForkingRpc(net.registry_chain.rpc_url) as proxy,
        reading(net, ":memory:", proxy.url) as reader,
    ):
        with pytest.raises(RegistryUnavailableError, match="replaced some meanwhile") as caught:
            await reader.history.sync()
        assert "try again" in caught.value.hint
        assert (await reader.history.timeline()).changes() == ()


async def test_an_endpoint_that_falls_behind_takes_nothing_back(net: Devnet) -> None:
    async with (
        ShrinkingRpc(net.registry_chain.rpc_url) as proxy,
        reading(net, ":memory:", proxy.url) as reader,
    ):
        await net.approve_build("devnet-2")
        before = await reader.now()
        proxy.behind = 3
        after = await reader.now()
    assert after.changes() == before.changes()
    assert after.taken_back == ()
    assert after.horizon.head == before.horizon.head


async def test_a_history_may_begin_where_the_registry_did(net: Devnet) -> None:
    await net.mine(FINALITY)
    block = await net.registry_chain.request("eth_blockNumber")
    await net.approve_build("devnet-2")
    async with reading(net, first_block=int(str(block), 16) + 1) as reader:
        timeline = await reader.now()
        assert [one.version for one in timeline.versions()] == ["devnet-2"]
        await net.mine(FINALITY)
        assert (await reader.now()).at().final is False
        assert (await reader.now()).versions()[0].final
