"""Registries that cannot be read, list nothing, or list what cannot be called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opengradient_sdk import Devnet
from opengradient_sdk.devnet.node.identity import Enclave
from opengradient_sdk.errors import (
    NoNodeAvailableError,
    RegistryEmptyError,
    RegistryUnavailableError,
    WrongChainError,
)
from opengradient_sdk.profiles import ChainProfile, Profile
from opengradient_sdk.types import Address, TxRequest

from .kit import CustomerFactory, closed_port, new_customer, refused
from .scripted_node import listed

_NOWHERE = Address("0x" + "17" * 20)
_RETURNS_GARBAGE = bytes.fromhex("60ff60005260406000f3")
_INIT = bytes.fromhex("600a600c600039600a6000f3")
"""Deploys the ten bytes that follow."""


async def test_an_address_without_a_contract_is_no_registry(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer(network=replace(net.profile, tee_registry=_NOWHERE))

    with refused(RegistryUnavailableError, "no contract", _NOWHERE, hint="OG_TEE_REGISTRY"):
        await one.ask()

    await one.assert_nothing_happened()


async def test_another_contract_is_no_registry(net: Devnet, customer: CustomerFactory) -> None:
    one = await customer(network=replace(net.profile, tee_registry=net.profile.opg))

    with refused(RegistryUnavailableError, "refuses to list nodes", hint="OG_TEE_REGISTRY"):
        await one.ask()

    await one.assert_nothing_happened()


async def test_an_answer_that_is_no_list_is_no_registry(
    net: Devnet, customer: CustomerFactory
) -> None:
    deployer = await customer(eth="1")
    made = await deployer.client.chains.payments.execute(
        TxRequest(to=None, data=_INIT + _RETURNS_GARBAGE)
    )
    assert made.contract_address is not None
    one = await customer(network=replace(net.profile, tee_registry=made.contract_address))

    with refused(RegistryUnavailableError, "not a list of nodes", hint="OG_TEE_REGISTRY"):
        await one.ask()

    await one.assert_nothing_happened()


async def test_a_registry_rpc_that_is_down_is_named(net: Devnet, customer: CustomerFactory) -> None:
    with closed_port() as url:
        registry = replace(net.profile.registry, rpc_urls=(url,))
        one = await customer(network=replace(net.profile, registry=registry))

        with refused(
            RegistryUnavailableError, url.removeprefix("http://"), hint="OG_REGISTRY_RPC_URL"
        ):
            await one.ask()

        await one.assert_nothing_happened()


async def test_a_registry_on_another_chain_is_refused(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer(network=_with_registry(net.profile, chain_id=10740))

    with refused(WrongChainError, "31337", "10740", hint="endpoint"):
        await one.ask()

    await one.assert_nothing_happened()


async def test_nodes_without_heartbeats_leave_the_registry_empty_until_they_send_some() -> None:
    async with Devnet(accounts=1) as net, new_customer(net) as one:
        net.nodes[0].faults.stale_heartbeat = True
        await net.advance(3600)

        with refused(RegistryEmptyError, "no active node", hint="heartbeats"):
            await one.ask()
        await one.assert_nothing_happened()

        net.nodes[0].faults.stale_heartbeat = False
        await net.advance(0)
        assert (await one.ask()).text
        await one.assert_exposed(caps=1)


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("http://127.0.0.1:1", "https"),
        ("https://user@127.0.0.1:1", "127.0.0.1"),
        ("file:///etc/passwd", "https"),
        ("node.example", "https"),
    ],
)
async def test_an_endpoint_that_is_not_https_is_never_called(
    net: Devnet, customer: CustomerFactory, endpoint: str, reason: str
) -> None:
    keys = await Enclave.create("insecure", net.clock.now())
    keys.close()
    async with listed(net, keys, endpoint):
        one = await customer()

        with refused(
            NoNodeAvailableError, str(keys.tee_id), endpoint, reason, hint="nodes that the registry"
        ):
            await one.ask(node=str(keys.tee_id))

        await one.assert_nothing_happened()
        assert (await one.ask()).receipt.tee_id == net.nodes[0].tee_id


async def test_a_node_that_is_not_listed_is_never_called(
    net: Devnet, customer: CustomerFactory
) -> None:
    one = await customer()

    with refused(
        NoNodeAvailableError, "not a node", net.nodes[0].endpoint, hint="nodes that the registry"
    ):
        await one.ask(node="https://example.com")

    await one.assert_nothing_happened()


def _with_registry(profile: Profile, **members: object) -> Profile:
    registry: ChainProfile = replace(profile.registry, **members)  # type: ignore[arg-type]
    return replace(profile, registry=registry)
