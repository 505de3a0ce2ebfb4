"""Whatever a chain does, what was added and not removed is what it holds."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opengradient_sdk.chain import following
from opengradient_sdk.chain.following import Change, LogFollower
from opengradient_sdk.chain.logs import Cursor, LogFilter
from opengradient_sdk.chain.node_errors import Fault
from opengradient_sdk.errors import ConfigurationError, ReorgError, RpcError
from opengradient_sdk.types import Bytes32

from .forked_chain import ForkedChain, ForkedRpc, Place


class Reader:
    """Keeps what a consumer would have, and checks each change against it."""

    def __init__(self, rpc: Any, **options: Any) -> None:
        self.rpc = rpc
        self.options = {"start": 0, "after": None, "confirmations": 1, **options}
        self.held: list[Place] = []
        self.cursor: Cursor | None = None
        self.removals = 0
        self.crash_after: int | None = None
        self.begin()

    def begin(self) -> None:
        """Start anew, as after a restart, from the last cursor."""
        self.options["after"] = self.cursor or self.options["after"]
        self.follower = LogFollower(self.rpc, LogFilter(), **self.options)

    def take(self, changes: list[Change]) -> None:
        for change in changes:
            place = (str(change.log.block_hash), change.log.index)
            if change.removed:
                assert self.held.pop() == place, "taken back newest first"
                self.removals += 1
            else:
                assert place not in self.held, "handed out once"
                self.held.append(place)
            self.cursor = change.cursor

    async def step(self) -> bool:
        changes = await self.follower.step()
        self.take((changes or [])[: self.crash_after])
        if self.crash_after is not None:
            self.crash_after = None
            self.begin()
        return changes is not None

    async def settle(self) -> None:
        """Step until there is nothing new."""
        idle = 0
        while idle < 2:
            idle = 0 if await self.step() else idle + 1


async def for_ever(reader: Reader) -> None:
    while True:
        await reader.step()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a chain of a few blocks reaches."""
    shrink(monkeypatch)


def shrink(patch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("_KEPT", 5),
        ("_MOST_BLOCKS", 3),
        ("_FIRST_SPAN", 4),
        ("_LONGEST_SPAN", 8),
    ):
        patch.setattr(following, name, value)


class Fate:
    """Lets something happen to the chain, the node or the reader before every fourth call or so."""

    def __init__(self, random: Random, rpc: ForkedRpc, reader: Reader) -> None:
        self.random, self.rpc, self.reader = random, rpc, reader

    def happen(self) -> None:
        if self.random.random() < 0.75:
            return
        match self.random.choice(["mine", "mine", "mine many", "reorg", "hide", "crash"]):
            case "mine":
                self.rpc.chain.mine(*self.logs(2))
            case "mine many":
                self.rpc.chain.mine(*self.logs(30))
            case "reorg":
                self.rpc.chain.reorg(self.random.randint(1, 9), *self.logs(9))
            case "hide":
                self.rpc.hidden = self.random.choice([0, 0, 1, 2, 8])
            case "crash":
                self.reader.crash_after = self.random.randint(0, 3)

    def logs(self, most: int) -> list[int]:
        return [self.random.randint(0, 3) for _ in range(self.random.randint(1, most))]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), start=st.integers(0, 25), confirmations=st.integers(1, 4))
async def test_any_history_ends_in_the_logs_of_the_chain(
    seed: int, start: int, confirmations: int
) -> None:
    rpc = ForkedRpc(ForkedChain())
    reader = Reader(rpc, start=start, confirmations=confirmations)
    rpc.before_call = Fate(Random(seed), rpc, reader).happen
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        for _ in range(100):
            await reader.step()
        rpc.before_call, rpc.hidden = (lambda: None), 0
        rpc.chain.mine(*[1] * 30)  # what was hidden, or replaced by less, shows with later blocks
        await reader.settle()
    assert reader.held == rpc.chain.places(start, len(rpc.chain.chain) - confirmations + 1)


async def read(chain: ForkedChain, **options: Any) -> tuple[Reader, ForkedRpc]:
    rpc = ForkedRpc(chain)
    reader = Reader(rpc, **options)
    await reader.settle()
    return reader, rpc


async def test_a_reorg_takes_back_and_goes_on() -> None:
    chain = ForkedChain()
    chain.mine(1, 2, 1, 3)
    reader, _ = await read(chain)
    assert reader.held == chain.places()
    chain.reorg(3, 1, 0)
    await reader.settle()
    assert (reader.held, reader.removals) == (chain.places(), 6)


async def test_a_chain_of_the_same_length_is_noticed() -> None:
    chain = ForkedChain()
    chain.mine(1, 1)
    reader, _ = await read(chain)
    chain.reorg(2, 1)
    del chain.chain[-1]
    await reader.settle()
    assert reader.held == chain.places()


async def test_a_node_that_is_behind_takes_nothing_back() -> None:
    chain = ForkedChain()
    chain.mine(1, 1, 1, 1)
    reader, rpc = await read(chain)
    rpc.hidden = 3
    await reader.settle()
    assert (reader.held, reader.removals) == (chain.places(), 0)


async def test_only_deep_logs_are_handed_out_and_shallow_reorgs_do_not_show() -> None:
    chain = ForkedChain()
    chain.mine(1, 1, 1, 1)
    reader, _ = await read(chain, confirmations=3)
    assert reader.held == chain.places(0, 3)
    chain.reorg(2, 1)
    await reader.settle()
    assert (reader.held, reader.removals) == (chain.places(0, 4), 0)
    chain.reorg(4, 1)
    await reader.settle()
    assert reader.held == chain.places(0, 5)
    assert reader.removals == 2


async def test_finality_is_a_depth_too() -> None:
    chain = ForkedChain()
    chain.mine(*[1] * 9)
    reader, _ = await read(chain, confirmations="finalized")
    assert reader.held == chain.places(0, 6)


async def test_a_chain_without_a_final_block_is_waited_for() -> None:
    rpc = ForkedRpc(ForkedChain())
    heads = rpc.eth_getBlockByNumber
    rpc.eth_getBlockByNumber = lambda number, _: None
    reader = Reader(rpc, confirmations="finalized")
    assert not await reader.step()
    rpc.eth_getBlockByNumber = heads
    assert await reader.step()


@pytest.mark.parametrize("method", ["eth_getBlockByNumber", "eth_getBlockByHash", "eth_getLogs"])
async def test_a_node_that_says_it_is_behind_is_waited_for(method: str) -> None:
    chain = ForkedChain()
    chain.mine(1, 1)
    reader, rpc = await read(chain)
    chain.reorg(1, 1)
    answer = getattr(rpc, method)
    setattr(rpc, method, lambda *_: Fault(-32000, "unknown block"))
    for _ in range(10):
        await reader.step()
    setattr(rpc, method, answer)
    await reader.settle()
    assert reader.held == chain.places()


async def test_a_cursor_whose_block_has_no_logs_yet_is_waited_for() -> None:
    chain = ForkedChain()
    chain.mine(1, 1)
    reader, rpc = await read(chain)
    rpc.fault = Fault(-32000, "unknown block")
    again = Reader(rpc, start=None, after=reader.cursor)
    assert not await again.step()
    rpc.fault = None
    chain.mine(1)
    await again.settle()
    assert again.held == chain.places(3)


async def test_another_error_is_an_rpc_error() -> None:
    rpc = ForkedRpc(ForkedChain())
    rpc.eth_getBlockByNumber = lambda *_: Fault(-32603, "internal error")
    with pytest.raises(RpcError, match="internal error"):
        await Reader(rpc).step()


@pytest.mark.parametrize("start", [None, "latest", "earliest", "finalized", 3])
async def test_where_it_begins(start: Any) -> None:
    chain = ForkedChain()
    chain.mine(*[1] * 9)
    reader, _ = await read(chain, start=start)
    chain.mine(1, 1)
    await reader.settle()
    first = {None: 10, "latest": 9, "earliest": 0, "finalized": 5, 3: 3}[start]
    assert reader.held == chain.places(first)


async def test_a_first_block_that_is_replaced_is_read_again() -> None:
    chain = ForkedChain()
    chain.mine(1, 1)
    reader, _ = await read(chain, start=2)
    chain.reorg(2, 1)
    await reader.settle()
    assert (reader.held, reader.removals) == (chain.places(2), 1)


async def test_a_range_with_too_many_logs_is_shortened(small: None) -> None:
    chain = ForkedChain()
    chain.mine(*[2] * 40)
    rpc = ForkedRpc(chain)
    rpc.most_logs = 5
    reader = Reader(rpc)
    await reader.settle()
    assert reader.held == chain.places()
    rpc.most_logs = 2
    chain.mine(*[2] * 20)
    await reader.settle()
    assert reader.held == chain.places()


async def test_a_long_way_is_read_in_ranges() -> None:
    chain = ForkedChain()
    chain.mine(*[0, 0, 1] * 2000)
    reader, rpc = await read(chain)
    assert reader.held == chain.places()
    assert len(rpc.batches) < 40


async def test_a_block_with_too_many_logs_is_an_error() -> None:
    chain = ForkedChain()
    chain.mine(9)
    rpc = ForkedRpc(chain)
    rpc.most_logs = 8
    with pytest.raises(following.NodeRefusesError) as caught:
        await Reader(rpc).settle()
    assert isinstance(caught.value.error, RpcError)


@pytest.mark.parametrize("blocks", [2, 300])
async def test_a_node_that_hands_out_no_logs_is_an_error_in_the_end(blocks: int) -> None:
    chain = ForkedChain()
    rpc = ForkedRpc(chain)
    reader = Reader(rpc)
    await reader.settle()
    rpc.fault = Fault(-32601, "the method eth_getLogs is not available")
    chain.mine(*[1] * blocks)
    with pytest.raises(following.NodeRefusesError, match="not available"):
        await asyncio.wait_for(for_ever(reader), 10)
    rpc.fault = None
    await reader.settle()
    assert reader.held == chain.places()


@pytest.mark.parametrize("depth", [2, 8])
async def test_after_a_restart_what_was_replaced_meanwhile_is_taken_back(
    small: None, depth: int
) -> None:
    chain = ForkedChain()
    chain.mine(*[2] * 12)
    reader, _ = await read(chain)
    chain.reorg(depth, 1, 2)
    reader.begin()
    await reader.settle()
    assert (reader.held, reader.removals) == (chain.places(), 2 * depth)


async def test_a_restart_in_the_middle_of_a_block_goes_on_behind_the_log() -> None:
    chain = ForkedChain()
    chain.mine(3, 3)
    _, rpc = await read(chain)
    cursor = Cursor(2, Bytes32(chain.chain[2].hash), 1)
    again = Reader(rpc, start=None, after=Cursor.parse(str(cursor)))
    await again.settle()
    assert again.held == chain.places()[-1:]


async def test_a_restart_before_the_first_block_takes_back_nothing_of_what_was_before() -> None:
    chain = ForkedChain()
    chain.mine(1, 1, 1)
    before = Cursor(2, Bytes32(chain.chain[2].hash))  # as a removal in block 3 leaves it
    reader, _ = await read(chain, start=3, after=before)
    chain.reorg(3, 1)
    await reader.settle()
    assert (reader.held, reader.removals) == (chain.places(3), 1)


async def test_what_a_node_has_forgotten_cannot_be_taken_back(small: None) -> None:
    chain = ForkedChain(remembers=False)
    chain.mine(*[1] * 12)
    reader, rpc = await read(chain)
    chain.reorg(9, 1)
    with pytest.raises(ReorgError, match="no longer knows"):
        await reader.settle()
    with pytest.raises(ReorgError, match="was replaced"):
        await Reader(rpc, after=reader.cursor).settle()


async def test_a_node_that_is_behind_the_cursor_is_waited_for() -> None:
    chain = ForkedChain()
    chain.mine(1, 1, 1)
    reader, rpc = await read(chain)
    rpc.hidden = 2
    again = Reader(rpc, start=None, after=reader.cursor)
    assert not await again.step()
    rpc.hidden = 0
    chain.mine(1)
    await again.settle()
    assert again.held == chain.places(4)


def test_no_confirmation_is_no_depth() -> None:
    with pytest.raises(ConfigurationError, match="0 confirmations"):
        Reader(ForkedRpc(ForkedChain()), confirmations=0)
