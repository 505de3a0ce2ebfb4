"""A Devnet on a thread of its own: its builds and nodes are changed from anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from opengradient_sdk import Assurance, Devnet, OpenGradient
from opengradient_sdk.devnet.hosted import HostedDevnet
from opengradient_sdk.devnet.registrar import build_hash
from opengradient_sdk.errors import ConfigurationError, OpenGradientError, RpcError
from opengradient_sdk.ledger import Receipt

FIRST, SECOND = build_hash("devnet-1"), build_hash("devnet-2")


@pytest.fixture
def net() -> Iterator[HostedDevnet]:
    with HostedDevnet(Devnet(accounts=1)) as network:
        yield network


def opened(net: HostedDevnet) -> OpenGradient:
    return OpenGradient(
        signer=net.accounts[0],
        network=net.profile,
        require=Assurance.ATTESTED,
        trust=net.trust_of("devnet-1", "devnet-2"),
        store=":memory:",
    )


def answered(client: OpenGradient) -> Receipt:
    client.nodes.list(refresh=True)
    return client.chat.create(model="gpt-5", messages="hi", max_tokens=9).receipt


def test_a_node_is_upgraded_and_rolled_back(net: HostedDevnet) -> None:
    ids = [net.tee_id()]
    with opened(net) as client:
        assert net.approve_build("devnet-2") == SECOND
        net.upgrade("devnet-2")
        ids.append(net.tee_id())
        second = answered(client)
        assert net.revoke_build("devnet-2") == SECOND
        with pytest.raises(OpenGradientError, match="no active node"):
            answered(client)
        net.upgrade("devnet-1")
        ids.append(net.tee_id())
        first = answered(client)
    assert (second.pcr_hash, first.pcr_hash) == (SECOND, FIRST)
    assert [second.tee_id, first.tee_id] == ids[1:]
    assert len(set(ids)) == 3


def test_a_disabled_node_comes_back(net: HostedDevnet) -> None:
    net.disable(node=0)
    with opened(net) as client:
        with pytest.raises(OpenGradientError, match="no active node"):
            answered(client)
        with pytest.raises(RpcError):
            net.disable()
        net.enable(node=0)
        assert answered(client).tee_id == net.tee_id()


def test_what_cannot_be_done_says_why(net: HostedDevnet) -> None:
    before = net.tee_id()
    with pytest.raises(ConfigurationError, match="is not approved"):
        net.upgrade("devnet-2")
    with pytest.raises(RpcError):
        net.approve_build("devnet-1")
    for number in (-1, 1):
        with pytest.raises(ConfigurationError, match=f"no node {number}") as caught:
            net.enable(node=number)
        assert "counted from 0" in caught.value.hint
    assert net.tee_id() == before
    assert net.trust_of("devnet-2").measurements == {SECOND}
