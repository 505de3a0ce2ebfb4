"""The registry's history, read from a real chain: builds and nodes over time, reorgs, restarts."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.lying_rpc import LyingRpc
from support.stores import DURABLE, location

from opengradient_sdk import CheckStatus, Devnet
from opengradient_sdk.errors import ConfigurationError
from opengradient_sdk.ledger.timeline import (
    Certainty,
    EventKind,
    Timeline,
)
from opengradient_sdk.types import Bytes32

from .timeline_kit import (
    FINALITY,
    FIRST,
    SECOND,
    Reader,
    answered,
    moment,
    reading,
)

GENERATIONS = [
    pytest.param({}, id="july"),
    pytest.param({"registry": "april", "chains": 2}, id="april on a chain of its own"),
]


@pytest.fixture
async def net() -> AsyncIterator[Devnet]:
    async with Devnet(accounts=1) as network:
        yield network


@pytest.fixture(params=DURABLE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that outlives processes."""
    return location(request.param, request, tmp_path)


def names(timeline: Timeline, time: float) -> list[str]:
    return [version.version for version in timeline.at(time).versions]


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_builds_and_nodes_are_valid_from_approval_to_revocation(generation: Any) -> None:
    async with Devnet(accounts=1, nodes=2, **generation) as net, reading(net) as reader:
        one, other = net.nodes
        old = one.tee_id
        before = await moment(net)
        await net.approve_build("devnet-2")
        both = await moment(net)
        await net.upgrade(one, "devnet-2")
        upgraded = await moment(net)
        await net.revoke_build("devnet-2")
        revoked = await moment(net)
        await net.approve_build("devnet-2")
        await net.enable(one)
        again = await moment(net)
        await net.disable(other)
        disabled = await moment(net)

        timeline = await reader.now()

    assert names(timeline, before) == names(timeline, revoked) == ["devnet-1"]
    assert names(timeline, both) == names(timeline, again) == ["devnet-1", "devnet-2"]
    valid = {
        time: {node.tee_id for node in timeline.at(time).nodes}
        for time in (before, both, upgraded, revoked, again, disabled)
    }
    assert valid[before] == valid[both] == {old, other.tee_id}
    assert valid[upgraded] == valid[again] == {one.tee_id, other.tee_id}
    assert valid[revoked] == {other.tee_id}
    assert valid[disabled] == {one.tee_id}
    first, second = timeline.versions()
    assert (first.pcr_hash, second.pcr_hash) == (FIRST, SECOND)
    assert (first.nodes, second.nodes) == ((old, other.tee_id), (one.tee_id,))
    assert second.approved_again
    assert (first.revoked, second.revoked) == (None, None)
    assert timeline.resolve(version="devnet-2") == (SECOND,)
    life = timeline.node(one.tee_id)
    assert life is not None
    assert (life.pcr_hash, life.endpoint) == (SECOND, one.endpoint)
    assert [period.until is None for period in life.enabled] == [False, True]


async def test_what_the_chain_may_take_back_is_marked(net: Devnet) -> None:
    async with reading(net) as reader:
        await net.approve_build("devnet-2")
        time = await moment(net)
        early = (await reader.now()).at(time)
        await net.mine(FINALITY)
        late = (await reader.now()).at(time)
    assert (early.known, early.final) == (True, False)
    assert not early.versions[1].final
    assert (late.known, late.final) == (True, True)
    assert late.versions[1].final
    assert early.versions[1].approved == late.versions[1].approved
    assert early.as_of is not None
    assert late.as_of is not None
    assert early.as_of.block < late.as_of.block


async def test_a_time_that_was_not_read_yet_is_not_known(net: Devnet) -> None:
    async with reading(net) as reader:
        await reader.history.sync()
        later = await moment(net)
        unread = (await reader.history.timeline()).at(later)
        read = (await reader.now()).at(later)
    assert (unread.known, unread.final) == (False, False)
    assert read.known
    assert unread.versions == read.versions


async def test_nodes_fall_silent_when_heartbeats_stop_and_are_back_with_the_next(
    net: Devnet,
) -> None:
    (node,) = net.nodes
    async with reading(net) as reader:
        for _ in range(4):
            await net.advance(900)  # a heartbeat is due every 900 seconds
        beating = await moment(net)
        node.faults.stale_heartbeat = True
        for _ in range(3):
            await net.advance(900)
        silent = await moment(net)
        node.faults.stale_heartbeat = False
        await net.advance(900)
        back = await moment(net)
        unfinal = await reader.now()
        await net.mine(FINALITY)
        final = await reader.now()
    for timeline in (unfinal, final):
        assert [node.tee_id] == [each.tee_id for each in timeline.at(beating).nodes]
        assert timeline.at(silent).nodes == ()
        assert [node.tee_id] == [each.tee_id for each in timeline.at(silent).silent]
        assert [node.tee_id] == [each.tee_id for each in timeline.at(back).nodes]
        life = timeline.node(node.tee_id)
        assert life is not None
        assert len(life.alive) == 2  # spans, not heartbeats
        assert all(event.kind is not EventKind.HEARTBEAT for event in timeline.changes())


async def test_a_restart_goes_on_where_the_last_process_stopped(net: Devnet, place: str) -> None:
    async with reading(net, place) as reader:
        await net.approve_build("devnet-2")
        await net.mine(FINALITY)
        kept = await reader.now()
    await net.revoke_build("devnet-2")
    await net.mine(FINALITY)
    async with reading(net, place) as reader, LyingRpc(net.registry_chain.rpc_url) as proxy:
        assert (await reader.history.timeline()).changes() == kept.changes()
        asked = await reader.history.sync()
        assert asked.final is not None
        timeline = await reader.history.timeline()
        async with reading(net, ":memory:", proxy.url) as fresh:
            assert (await fresh.now()).changes() == timeline.changes()
    assert timeline.changes()[: len(kept.changes())] == kept.changes()
    assert timeline.versions()[1].revoked is not None


async def test_many_readers_of_one_store_agree_with_the_chain(net: Devnet, place: str) -> None:
    readers = [Reader(net, place) for _ in range(4)]
    try:
        for step in range(6):
            await (net.revoke_build if step % 2 else net.approve_build)("devnet-2")
            await net.mine(step + 1)
            await asyncio.gather(*(reader.history.sync() for reader in readers))
        await net.mine(FINALITY)
        timelines = await asyncio.gather(*(reader.now() for reader in readers))
    finally:
        for reader in readers:
            await reader.aclose()
    for timeline in timelines:
        assert [e.kind.name for e in timeline.changes() if e.pcr_hash == SECOND] == [
            "APPROVED",
            "REVOKED",
        ] * 3
        assert timeline.taken_back == ()
        assert all(event.final for event in timeline.changes())


async def test_two_processes_fill_one_store(net: Devnet, place: str) -> None:
    for _ in range(3):
        await net.approve_build("devnet-2")
        await net.revoke_build("devnet-2")
    await net.mine(FINALITY)
    program = Path(__file__).with_name("timeline_program.py")
    command = (
        *(sys.executable, str(program), net.registry_chain.rpc_url),
        *(str(net.registry_chain.chain_id), str(net.profile.tee_registry), place),
    )
    running = [await asyncio.create_subprocess_exec(*command) for _ in range(2)]
    assert [await process.wait() for process in running] == [0, 0]
    async with reading(net, place) as reader:
        timeline = await reader.history.timeline()
    assert len(timeline.versions()[1].periods) == 3
    assert timeline.horizon.final is not None


@pytest.mark.anvil
async def test_a_reorg_takes_a_revocation_back_and_the_history_says_so(place: str) -> None:
    async with Devnet(accounts=1, evm="anvil", finality_depth=32) as net:
        await net.approve_build("devnet-2")
        await net.mine(3)
        async with reading(net, place) as reader:
            receipt = await answered(net)
            await net.revoke_build("devnet-1")
            await net.mine()
            before = await reader.now()
            (check,) = before.later(receipt)
            assert (check.name, check.status) == ("build_since", CheckStatus.FAILED)
            assert "not final yet" in check.reason
            assert [one.version for one in before.versions() if one.revoked] == ["devnet-1"]
        await net.registry_chain.request("anvil_reorg", [2, []])
        async with reading(net, place) as reader:  # after a restart, too
            after = await reader.now()
            assert [version.revoked for version in after.versions()] == [None, None]
            kinds = [event.kind for event in after.taken_back]
            assert kinds == [EventKind.DISABLED, EventKind.REVOKED]
            assert all(event.taken_back_at for event in after.taken_back)
            (check,) = after.later(receipt)
            assert check.status is CheckStatus.PASSED
            await net.mine(FINALITY)
            await net.revoke_build("devnet-1")
            await net.mine(40)
            final = await reader.now()
    assert final.taken_back == after.taken_back
    (check,) = final.later(receipt)
    assert check.status is CheckStatus.FAILED
    assert "not final" not in check.reason


async def test_a_later_revocation_stands_beside_what_was_proven(net: Devnet) -> None:
    receipt = await answered(net)
    assurance = receipt.assurance
    async with reading(net) as reader:
        (unread,) = (await reader.history.timeline()).later(receipt)
        assert unread.status is CheckStatus.PENDING
        (approved,) = (await reader.now()).later(receipt)
        assert approved.status is CheckStatus.PASSED
        assert "'devnet-1' is still approved" in approved.reason
        await net.advance(600)
        await net.revoke_build("devnet-1")
        (revoked,) = (await reader.now()).later(receipt)
        assert revoked.status is CheckStatus.FAILED
        assert "after the answer" in revoked.reason
        await net.approve_build("devnet-1")
        (again,) = (await reader.now()).later(receipt)
    assert again.status is CheckStatus.FAILED
    assert "approved again" in again.reason
    assert receipt.evidence.with_(again).assurance is assurance


async def test_which_build_was_valid_when_an_answer_was_given(net: Devnet) -> None:
    async with reading(net) as reader:
        await reader.history.sync()
        await net.advance(600)
        receipt = await answered(net)
        open_ = await reader.history.timeline()
        assert {held.certainty for held in open_.during(receipt)} == {Certainty.POSSIBLY}
        await reader.history.sync()
        await net.advance(600)
        await net.approve_build("devnet-2")
        timeline = await reader.now()
        told = {held.version.version: held.certainty for held in timeline.during(receipt)}
        assert told == {"devnet-1": Certainty.CERTAINLY, "devnet-2": Certainty.CERTAINLY_NOT}
        clocks = timeline.moment(receipt)
        assert clocks.disagreement == 0.0
        assert clocks.block_before is not None
        assert clocks.block_after is not None
        assert clocks.block_before.block <= clocks.block_after.block


async def test_an_unknown_node_or_version_is_no_guess(net: Devnet) -> None:
    async with reading(net) as reader:
        timeline = await reader.now()
    assert timeline.node(Bytes32(bytes(32))) is None
    with pytest.raises(ConfigurationError, match="'devnet-9'") as caught:
        timeline.resolve(version="devnet-9")
    assert "devnet-1" in caught.value.hint
