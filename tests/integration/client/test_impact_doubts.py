"""Answers given near to a revocation: certain where blocks tell the order, else uncertain."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support.lying_rpc import Lie, LyingRpc

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk.errors import ConfigurationError
from opengradient_sdk.ledger import Receipt
from opengradient_sdk.ledger.impact import mermaid, to_json, tree
from opengradient_sdk.types import Bytes32


@pytest.fixture
async def net() -> AsyncIterator[Devnet]:
    async with Devnet(accounts=1) as network:
        await network.approve_build("devnet-2")
        await network.upgrade(network.nodes[0], "devnet-2")
        yield network


@pytest.fixture
async def client(net: Devnet) -> AsyncIterator[AsyncOpenGradient]:
    async with AsyncOpenGradient(
        signer=net.accounts[0], network=net.profile, store=":memory:"
    ) as og:
        yield og


async def answered(og: AsyncOpenGradient, *parents: Receipt) -> Receipt:
    reply = await og.chat.create(model="gpt-5", messages="hi", max_tokens=9, parents=[*parents])
    return reply.receipt


async def test_only_what_clocks_decide_is_uncertain(net: Devnet, client: AsyncOpenGradient) -> None:
    early = await answered(client)
    await net.advance(700)
    late = await answered(client, early)
    made_from_it = await answered(client, late)
    await net.revoke_build("devnet-2")
    impact = await client.timeline.impact(version="devnet-2")

    assert {each.id for each in impact.outputs} == {early.id, late.id, made_from_it.id}
    assert set(impact.uncertain) == {late.id, made_from_it.id}
    assert "'devnet-2' was revoked at block" in impact.doubts[late.id]
    assert "our clock:" in impact.doubts[late.id]
    assert "(1 certain, 2 uncertain)" in str(impact)
    assert tree(impact).count("◌ rcpt_") == 2
    assert mermaid(impact).count(":::uncertain") == 2
    value = json.loads(json.dumps(to_json(impact)))
    assert value["totals"]["uncertain_outputs"] == len(value["doubts"]) == 2
    report = await client.timeline.report(impact)
    assert "- of these certain: 1; uncertain: 2, as only clocks tell" in report
    for receipt in (late, made_from_it):
        assert f"- `{receipt.id}`: uncertain: version 'devnet" in report


async def test_a_look_between_answer_and_revocation_leaves_nothing_to_clocks(
    net: Devnet, client: AsyncOpenGradient
) -> None:
    receipt = await answered(client)
    await client.timeline.history()
    await net.revoke_build("devnet-2")
    impact = await client.timeline.impact(version="devnet-2")
    assert [each.id for each in impact.outputs] == [receipt.id]
    assert impact.uncertain == ()
    head = impact.changes_known_to
    assert head is not None
    assert (await client.timeline.history()).horizon.head == head


async def test_time_enough_leaves_nothing_to_clocks(net: Devnet, client: AsyncOpenGradient) -> None:
    receipt = await answered(client)
    await net.advance(700)
    await net.revoke_build("devnet-2")
    impact = await client.timeline.impact(version="devnet-2")
    assert ([each.id for each in impact.outputs], impact.uncertain) == ([receipt.id], ())


async def test_several_builds_are_asked_about_at_once_and_by_payer(
    net: Devnet, client: AsyncOpenGradient
) -> None:
    receipt = await answered(client)
    hashes: list[Bytes32 | str] = [receipt.pcr_hash, "0x" + "77" * 32]
    for build in (receipt.pcr_hash, str(receipt.pcr_hash), hashes):
        impact = await client.timeline.impact(pcr_hash=build, owner=net.accounts[0].address)
        assert [each.id for each in impact.outputs] == [receipt.id]
        # nobody has asked the registry yet, and so no change of a build is known
        assert (impact.changes_known_to, impact.uncertain) == (None, ())
    network = net.profile.payments.caip2
    assert (await client.timeline.impact(model="gpt-5", network="eip155:1")).outputs == ()
    assert (await client.timeline.impact(model="gpt-5", network=network)).outputs
    with pytest.raises(ConfigurationError, match="owner"):
        await client.timeline.impact(model="gpt-5", owner="nobody")


async def test_a_report_says_who_was_asked(net: Devnet, client: AsyncOpenGradient) -> None:
    receipt = await answered(client)
    await net.advance(130)
    impact = await client.timeline.impact(pcr_hash=receipt.pcr_hash)
    offline = await client.timeline.report(impact)
    assert offline.count("- not asked: ") == 3
    assert "no client has read the registry's history" in offline
    assert f"authorization `{receipt.authorization.nonce}`: open" in offline
    online = await client.timeline.report(impact, online=True)
    assert online.count("- asked for this report: ") == 3
    assert "not asked: " not in online
    assert "the registry's history was read up to block" in online
    assert f"authorization `{receipt.authorization.nonce}`: open" not in online
    assert str(receipt.cost) in online
    # what the chains said is in the ledger
    again = await client.timeline.impact(pcr_hash=receipt.pcr_hash)
    (payment,) = again.payments
    assert payment.settled
    assert payment.charged == receipt.cost


async def test_a_chain_that_cannot_be_asked_is_named(net: Devnet) -> None:
    async with LyingRpc(net.registry_chain.rpc_url) as proxy:
        registry = replace(net.profile.registry, rpc_urls=(proxy.url,))
        async with AsyncOpenGradient(
            signer=net.accounts[0],
            network=replace(net.profile, registry=registry),
            store=":memory:",
        ) as og:
            receipt = await answered(og)
            await net.advance(130)
            impact = await og.timeline.impact(pcr_hash=receipt.pcr_hash)
            proxy.lie = Lie.DOWN
            report = await og.timeline.report(impact, online=True)
    assert "- could not be asked: the registry's chain: what became of builds and nodes: " in report
    assert "- asked for this report: the payments chain" in report  # whatever the other one did
    assert f"authorization `{receipt.authorization.nonce}`: open" not in report
