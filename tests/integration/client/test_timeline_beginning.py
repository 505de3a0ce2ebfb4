"""Where the history of a registry begins, when nobody says in which block it was deployed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.lying_rpc import LyingRpc
from support.stores import DURABLE, location

from opengradient_sdk import Devnet
from opengradient_sdk.ledger.timeline import Horizon

from .timeline_kit import FINALITY, Reader, reading


class StateRpc(LyingRpc):
    """A server of a chain on which the registry was deployed in block ``deployed``.

    It has no state from before ``oldest``. ``asked`` are the blocks of which it was asked for code.
    """

    deployed = 0
    oldest = 0

    def __init__(self, upstream_url: str) -> None:
        super().__init__(upstream_url)
        self.asked: list[int] = []
        self.searched: list[int] = []

    def _falsified(self, call: Any, answer: Any) -> Any:
        if call["method"] == "eth_getLogs":
            self.searched.append(int(call["params"][0]["fromBlock"], 16))
        if call["method"] != "eth_getCode":
            return answer
        block = int(call["params"][1], 16)
        self.asked.append(block)
        if block < self.oldest:
            return {**_FAULT, "id": answer["id"]}
        if block < self.deployed:
            answer["result"] = "0x"
        return answer


_FAULT = {"jsonrpc": "2.0", "error": {"code": -32000, "message": "missing trie node 0xabcd"}}


@pytest.fixture
async def net() -> AsyncIterator[Devnet]:
    async with Devnet(accounts=1) as network:
        await network.mine(60)
        yield network


@pytest.fixture(params=DURABLE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return location(request.param, request, tmp_path)


def opened(net: Devnet, place: str, *urls: str) -> Any:
    return reading(net, place, *urls, first_block=None)


async def begun(reader: Reader) -> Horizon:
    """The horizon after a reading."""
    return (await reader.now()).horizon


@pytest.mark.parametrize("deployed", [0, 1, 2, 31, 40])
async def test_the_block_of_the_deployment_is_found(net: Devnet, deployed: int) -> None:
    await net.approve_build("devnet-2")  # after all of these blocks
    await net.mine(FINALITY)
    async with StateRpc(net.registry_chain.rpc_url) as rpc, opened(net, ":memory:", rpc.url) as one:
        rpc.deployed = deployed
        horizon = await begun(one)
        assert horizon.first_block == deployed
        assert rpc.searched[0] == deployed
        assert len(rpc.asked) <= 8  # of some 80 blocks
        assert "devnet-2" in [each.version for each in (await one.now()).versions()]


async def test_it_is_looked_for_once_and_kept(net: Devnet, place: str) -> None:
    async with StateRpc(net.registry_chain.rpc_url) as rpc:
        rpc.deployed = 31
        async with opened(net, place, rpc.url) as one:
            assert (await begun(one)).first_block == 31
            assert rpc.asked
            rpc.asked.clear()
            await net.mine(FINALITY)
            assert (await begun(one)).first_block == 31
        async with opened(net, place, rpc.url) as another:
            assert (await another.history.timeline()).horizon.first_block == 31
            assert (await begun(another)).first_block == 31
    assert rpc.asked == []


async def test_what_a_caller_says_is_not_looked_for(net: Devnet) -> None:
    async with (
        StateRpc(net.registry_chain.rpc_url) as rpc,
        reading(net, ":memory:", rpc.url, first_block=5) as one,
    ):
        assert (await begun(one)).first_block == 5
        assert rpc.asked == []


async def test_an_endpoint_without_old_state_means_block_0(
    net: Devnet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "opengradient_sdk.ledger.timeline")
    async with StateRpc(net.registry_chain.rpc_url) as rpc, opened(net, ":memory:", rpc.url) as one:
        rpc.deployed, rpc.oldest = 31, 50
        assert (await begun(one)).first_block == 0
        assert [each.version for each in (await one.now()).versions()] == ["devnet-1"]
    assert "read from block 0" in caplog.text
    assert "missing trie node" in caplog.text


async def test_one_liar_hides_nothing_that_happened_first(net: Devnet) -> None:
    honest = net.registry_chain.rpc_url
    async with StateRpc(honest) as liar, opened(net, ":memory:", liar.url, honest) as one:
        liar.deployed = 45
        horizon = await begun(one)
    assert horizon.first_block == 0


async def test_a_registry_younger_than_what_is_final(net: Devnet) -> None:
    async with StateRpc(net.registry_chain.rpc_url) as rpc, opened(net, ":memory:", rpc.url) as one:
        rpc.deployed = 10_000
        await net.approve_build("devnet-2")
        timeline = await one.now()
    assert timeline.horizon.final is not None
    assert timeline.horizon.first_block == timeline.horizon.final.block
    assert [each.version for each in timeline.versions()] == ["devnet-2"]
