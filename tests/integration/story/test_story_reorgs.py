"""The story on a chain that takes the revocation back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.stores import FILE, POSTGRES, location

from opengradient_sdk import Assurance, CheckStatus, Devnet
from opengradient_sdk.verification import Check

from .clients import scribe
from .plot import A, Ask, B, Story
from .scribe import Scribe, names_of

pytestmark = pytest.mark.anvil


@pytest.fixture
async def net() -> AsyncIterator[Devnet]:
    async with Devnet(accounts=2, evm="anvil", finality_depth=32) as network:
        yield network


@pytest.mark.parametrize(
    ("read_between", "kind"),
    [
        pytest.param(True, FILE, id="and redoes it when all have looked"),
        pytest.param(False, POSTGRES, id="and redoes it before anybody looks, on PostgreSQL"),
    ],
)
async def test_a_reorg_takes_the_revocation_back(
    net: Devnet, tmp_path: Path, read_between: bool, kind: str, request: pytest.FixtureRequest
) -> None:
    store = {
        "store": location(kind, request, tmp_path),
        "store_key": str(tmp_path / "store.key"),
    }
    async with (
        scribe(net, net.accounts[0], **store) as one,
        scribe(net, net.accounts[1], **store) as other,
    ):
        story = Story(net, one, other)
        await story.a_answers()
        await story.b_replaces_it()
        await story.a_payment_is_made()
        await story.agents_act_on_it()
        await net.revoke_build(B)
        await net.mine()
        await assert_revoked(story, one, final=False)

        await net.registry_chain.request("anvil_reorg", [2, []])
        if read_between:
            await assert_approved(story, one)
            await story.passage(one, Ask("asked of B again", ("plan",)))
        await story.b_is_revoked()
        await assert_revoked(story, one, final=False)
        await story.a_returns()
        await story.agents_go_on()
        await net.mine(40)
        await assert_revoked(story, one, final=True)
    async with scribe(net, net.accounts[0], **store) as again:
        await assert_revoked(story, again, final=True)
        history = await again.client.timeline.history()
    assert [event.kind.name for event in history.taken_back] == ["DISABLED", "REVOKED"]
    assert all(event.taken_back_at for event in history.taken_back)


async def test_a_reorg_takes_the_whole_version_back(tmp_path: Path) -> None:
    """The chain says that B never was. The receipts know better: they name the build."""
    store = {"store": str(tmp_path / "store.sqlite"), "store_key": str(tmp_path / "key")}
    async with (
        Devnet(accounts=2, evm="anvil", chains=2, finality_depth=64) as net,
        scribe(net, net.accounts[0], **store) as one,
        scribe(net, net.accounts[1], **store) as other,
    ):
        story = Story(net, one, other)
        await story.a_answers()
        before = await height(net)
        await story.b_replaces_it()
        await story.agents_act_on_it()
        impact = await one.client.timeline.impact(version=B)
        assert names_of(impact) == story.book.impact(B)
        (build,) = impact.query.pcr_hashes or ()

        await net.registry_chain.request("anvil_reorg", [await height(net) - before, []])
        async with scribe(net, net.accounts[0], **store) as again:
            for client in (one.client, again.client):
                assert [each.version for each in await client.timeline.versions()] == [A]
                after = await client.timeline.impact(pcr_hash=build)
                assert names_of(after) == story.book.impact(B)
            since = await since_then(story, again)
            receipt = await again.client.receipts.get(story.book.answers["price"].id)
    assert since.status is CheckStatus.NOT_CHECKED
    assert (receipt.pcr_hash, receipt.assurance) == (build, Assurance.REGISTERED)


async def height(net: Devnet) -> int:
    """Return the number of the newest block of the registry's chain."""
    return int(await net.registry_chain.request("eth_blockNumber"), 16)


async def assert_revoked(story: Story, one: Scribe, *, final: bool) -> None:
    """The revocation is seen, and the impact is what the book says."""
    assert names_of(await one.client.timeline.impact(version=B)) == story.book.impact(B)
    (build,) = [each for each in await one.client.timeline.versions() if each.version == B]
    assert build.revoked is not None
    assert build.final is final
    since = await since_then(story, one)
    assert since.status is CheckStatus.FAILED
    assert ("not final yet" in since.reason) is not final


async def assert_approved(story: Story, one: Scribe) -> None:
    """The revocation is as if it had never been, and the impact is what the book says."""
    assert names_of(await one.client.timeline.impact(version=B)) == story.book.impact(B)
    (build,) = [each for each in await one.client.timeline.versions() if each.version == B]
    assert build.revoked is None
    since = await since_then(story, one)
    assert since.status is CheckStatus.PASSED


async def since_then(story: Story, one: Scribe) -> Check:
    """Return what B's first receipt says of its build, brought up to date."""
    receipt = await one.client.receipts.refresh(story.book.answers["price"].id)
    check = receipt.evidence.get("build_since")
    assert check is not None
    return check
