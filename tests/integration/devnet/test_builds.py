"""Builds of a Devnet's node: approved, replaced, revoked, and approved again."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from opengradient_sdk import Assurance, AsyncOpenGradient, Devnet
from opengradient_sdk.devnet.node import devnet_pcrs, pcr_hash
from opengradient_sdk.errors import ConfigurationError, OpenGradientError, RpcError
from opengradient_sdk.payments.status import PaymentState

FIRST, SECOND = (pcr_hash(devnet_pcrs(build)) for build in ("devnet-1", "devnet-2"))
QUESTION = {"model": "gpt-5", "messages": "hi", "max_tokens": 9}
KINDS = [
    pytest.param({}, id="july"),
    pytest.param({"registry": "april", "chains": 2}, id="april on a chain of its own"),
    pytest.param({"evm": "anvil"}, id="anvil", marks=pytest.mark.anvil),
]


@pytest.fixture(params=KINDS)
async def net(request: pytest.FixtureRequest) -> AsyncIterator[Devnet]:
    async with Devnet(accounts=2, **request.param) as network:
        yield network


def client(net: Devnet, *builds: str) -> AsyncOpenGradient:
    return AsyncOpenGradient(
        signer=net.accounts[0],
        network=net.profile,
        require=Assurance.ATTESTED,
        trust=net.trust_of(*builds),
        store=":memory:",
    )


async def test_an_upgraded_node_answers_as_another_build_under_another_name(net: Devnet) -> None:
    node = net.nodes[0]
    async with client(net, "devnet-1", "devnet-2") as og:
        first = (await og.chat.create(**QUESTION)).receipt
        before = (node.tee_id, node.endpoint, node.public_key_der)
        assert await net.approve_build("devnet-2") == SECOND
        await net.upgrade(node, "devnet-2")
        await og.nodes.list(refresh=True)
        second = (await og.chat.create(**QUESTION)).receipt
        assert (first.pcr_hash, second.pcr_hash) == (FIRST, SECOND)
        assert second.assurance is Assurance.ATTESTED
        assert second.tee_id == node.tee_id
        after = (node.tee_id, node.endpoint, node.public_key_der)
        assert not set(before) & set(after)
        settled = await og.receipts.wait(first, payment=PaymentState.SETTLED, timeout=30)
        assert settled.payment.amount == first.cost
    assert net.books().balanced
    assert net.nodes == (node,)


async def test_a_build_that_is_not_in_trust_is_not_asked(net: Devnet) -> None:
    await net.approve_build("devnet-2")
    await net.upgrade(net.nodes[0], "devnet-2")
    assert net.trust.measurements == {FIRST}
    async with client(net, "devnet-1") as og:
        with pytest.raises(OpenGradientError, match="no node can be used"):
            await og.chat.create(**QUESTION)


async def test_revoking_a_build_takes_its_nodes_off_the_list_until_it_is_approved_again(
    net: Devnet,
) -> None:
    node = net.nodes[0]
    async with client(net, "devnet-1") as og:
        assert await net.revoke_build("devnet-1") == FIRST
        with pytest.raises(OpenGradientError, match="no active node"):
            await og.chat.create(**QUESTION)
        with pytest.raises(RpcError):
            await net.enable(node)
        await net.approve_build("devnet-1")
        await net.enable(node)
        assert (await og.chat.create(**QUESTION)).receipt.tee_id == node.tee_id


async def test_a_disabled_node_comes_back(net: Devnet) -> None:
    node = net.nodes[0]
    await net.disable(node)
    with pytest.raises(RpcError):
        await net.disable(node)
    async with client(net, "devnet-1") as og:
        with pytest.raises(OpenGradientError, match="no active node"):
            await og.chat.create(**QUESTION)
        await net.enable(node)
        assert (await og.chat.create(**QUESTION)).text


async def test_what_is_not_approved_cannot_be_run_nor_revoked(net: Devnet) -> None:
    node = net.nodes[0]
    before = node.tee_id
    with pytest.raises(ConfigurationError, match="is not approved"):
        await net.upgrade(node, "devnet-2")
    assert node.tee_id == before
    for never in ("devnet-2", SECOND):
        with pytest.raises(RpcError):
            await net.revoke_build(never)
    with pytest.raises(RpcError):
        await net.approve_build("devnet-1")
    async with client(net, "devnet-1") as og:
        assert (await og.chat.create(**QUESTION)).receipt.tee_id == before


async def test_builds_are_revoked_by_their_hash_too(net: Devnet) -> None:
    assert await net.revoke_build(FIRST) == FIRST
