"""The registry reader against real HTTP nodes, honest, broken and lying."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from opengradient_sdk._core.clock import ShiftedClock
from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.errors import (
    ConfigurationError,
    RegistryEmptyError,
    RegistryUnavailableError,
    WrongChainError,
)
from opengradient_sdk.network import Registry
from opengradient_sdk.types import Bytes32

from . import registry_node as fake


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.aclose()


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
def registry_of(http: HttpClient, clock: ShiftedClock) -> Callable[..., Registry]:
    def make(*nodes: Any, chain_id: int = fake.CHAIN_ID) -> Registry:
        rpcs = [Rpc([node.url], http, timeout=5) for node in nodes]
        return Registry(rpcs, fake.ADDRESS, chain_id=chain_id, clock=clock)

    return make


Make = Callable[..., Registry]


@pytest.mark.parametrize("july", [True, False], ids=["july", "april"])
async def test_a_snapshot_says_what_was_read_where_and_when(
    registry_of: Make, clock: ShiftedClock, july: bool
) -> None:
    node = fake.Node(data=fake.two_nodes(july=july))
    async with fake.serving(node):
        before = clock.now()
        got = await registry_of(node).snapshot()
    assert (got.chain_id, got.registry) == (fake.CHAIN_ID, fake.ADDRESS)
    assert (got.block_number, got.block_hash) == (100, fake.block_hash(100))
    assert got.block_timestamp == 1_784_200_100
    assert before <= got.read_at <= clock.now()
    assert got.rpc_urls == (node.url,)
    assert got.layout == ("july" if july else "april")
    assert [one.endpoint for one in got.nodes] == ["https://1.2.3.4", "https://5.6.7.8:8443"]
    assert got.skipped == ()
    assert [one.ohttp is not None for one in got.nodes] == [july, False]
    assert node.asked == [{"blockHash": str(fake.block_hash(100))}]


@pytest.mark.parametrize("name", ["one", "one-no-ohttp", "two"])
async def test_nodes_are_the_published_ones(registry_of: Make, name: str) -> None:
    node = fake.Node(data=fake.answer(name))
    async with fake.serving(node):
        got = await registry_of(node).snapshot()
    case = next(
        case
        for case in fake.VECTORS["cases"]
        if (case["name"], case["abi"]) == (name, "with_ohttpConfig")
    )
    # The second key of "two" has a byte behind its end: the official client lists that node, and
    # could verify nothing that it says. It is paid by nobody here.
    official = case["official_july_sdk"]["endpoints"]
    assert [(tee_id.hex(), "RSA" in reason) for tee_id, reason in got.skipped] == [
        (one["tee_id"], True) for one in official[1:]
    ]
    (one,), theirs = got.nodes, official[0]
    assert one.tee_id.hex() == theirs["tee_id"]
    assert one.payment_address == theirs["payment_address"]
    assert "0x" + one.tls_certificate_der.hex() == theirs["tls_cert_der"]
    assert "0x" + one.public_key_der.hex() == theirs["signing_public_key_der"]
    assert (one.ohttp is not None) is (theirs["ohttp_config"] is not None)
    assert got.find(one.tee_id) is one
    assert got.find(Bytes32(bytes(32))) is None


async def test_a_reading_is_used_for_five_minutes(registry_of: Make, clock: ShiftedClock) -> None:
    node = fake.Node()
    async with fake.serving(node):
        registry = registry_of(node)
        first = await registry.snapshot()
        clock.advance(290)
        assert await registry.snapshot() is first
        clock.advance(11)
        node.head = 101
        second = await registry.snapshot()
        assert second.block_number == 101
        assert await registry.snapshot() is second
        node.head = 102
        assert (await registry.snapshot(refresh=True)).block_number == 102


async def test_all_who_ask_at_once_share_one_reading(registry_of: Make) -> None:
    node = fake.Node()
    async with fake.serving(node):
        registry = registry_of(node)
        got = await asyncio.gather(*(registry.snapshot(refresh=bool(i % 2)) for i in range(50)))
    assert len({id(one) for one in got}) == 1
    assert (node.heads_asked, len(node.asked)) == (1, 1)


async def test_all_who_ask_at_once_share_one_failure(registry_of: Make) -> None:
    node = fake.Node(data=b"")
    async with fake.serving(node):
        registry = registry_of(node)
        got = await asyncio.gather(
            *(registry.snapshot() for _ in range(50)), return_exceptions=True
        )
        assert {type(one) for one in got} == {RegistryUnavailableError}
        assert len(node.asked) == 1
        node.data = fake.answer("one")
        assert len((await registry.snapshot()).nodes) == 1


async def test_one_who_gives_up_does_not_take_the_others_along(registry_of: Make) -> None:
    node = fake.Node(hold=asyncio.Event())
    async with fake.serving(node):
        registry = registry_of(node)
        impatient = asyncio.create_task(registry.snapshot())
        await node.reached.wait()
        patient = asyncio.create_task(registry.snapshot())
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        node.hold.set()
        assert len((await patient).nodes) == 2


async def test_a_failed_refresh_leaves_a_fresh_reading_in_use(registry_of: Make) -> None:
    node = fake.Node()
    async with fake.serving(node):
        registry = registry_of(node)
        first = await registry.snapshot()
        node.data = b""
        with pytest.raises(RegistryUnavailableError):
            await registry.snapshot(refresh=True)
        assert await registry.snapshot() is first


async def test_an_endpoint_without_block_hashes_is_read_by_number(registry_of: Make) -> None:
    node = fake.Node(takes_hashes=False)
    async with fake.serving(node):
        got = await registry_of(node).snapshot()
    assert node.asked == [{"blockHash": str(fake.block_hash(100))}, hex(100)]
    assert got.block_hash == fake.block_hash(100)


async def test_a_block_that_is_replaced_while_it_is_read_by_number_is_noticed(
    registry_of: Make,
) -> None:
    node = fake.Node(takes_hashes=False, reorg_after_call=True)
    async with fake.serving(node):
        with pytest.raises(RegistryUnavailableError, match=r"block 100 .* was replaced"):
            await registry_of(node).snapshot()


async def test_several_endpoints_are_read_at_the_newest_block_that_all_have(
    registry_of: Make,
) -> None:
    ahead, behind = fake.Node(head=103), fake.Node(head=101)
    async with fake.serving(ahead, behind):
        got = await registry_of(ahead, behind).snapshot()
    assert got.block_number == 101
    assert ahead.asked == behind.asked == [{"blockHash": str(fake.block_hash(101))}]
    assert got.rpc_urls == (ahead.url, behind.url)


@pytest.mark.parametrize(
    ("lie", "message"),
    [({"data": fake.answer("one")}, "list different nodes at block 100"),
     ({"fork": "other"}, "has another block 100")],
    ids=["nodes", "block"],
)  # fmt: skip
async def test_endpoints_that_disagree_are_named(
    registry_of: Make, lie: dict[str, Any], message: str
) -> None:
    honest, liar = fake.Node(), fake.Node(**lie)
    async with fake.serving(honest, liar):
        with pytest.raises(RegistryUnavailableError, match=message) as caught:
            await registry_of(honest, liar).snapshot()
    assert liar.url in caught.value.short_message


async def test_one_endpoint_that_is_down_is_an_outage_and_named(registry_of: Make) -> None:
    up, down = fake.Node(), fake.Node(status=500)
    async with fake.serving(up, down):
        with pytest.raises(RegistryUnavailableError, match=down.url) as caught:
            await registry_of(up, down).snapshot()
    assert "OG_REGISTRY_RPC_URL" in caught.value.hint
    assert caught.value.retryable


REVERT = {"code": 3, "message": "execution reverted", "data": "0xf6523b65"}


@pytest.mark.parametrize(
    ("node", "message", "hint"),
    [
        ({"data": b""}, "there is no contract at", "OG_TEE_REGISTRY"),
        ({"data": b"\0" * 32}, "not a list of nodes", "OG_TEE_REGISTRY"),
        ({"error": REVERT}, "refuses to list nodes: .*TEENotFound", "OG_TEE_REGISTRY"),
        ({"error": {"code": -32000, "message": "out of order"}}, "failed", "OG_REGISTRY_RPC_URL"),
        ({"status": 503}, "failed", "OG_REGISTRY_RPC_URL"),
    ],
    ids=["no-code", "undecodable", "revert", "error", "down"],
)
async def test_every_outage_says_what_it_is_and_what_to_change(
    registry_of: Make, node: dict[str, Any], message: str, hint: str
) -> None:
    one = fake.Node(**node)
    async with fake.serving(one):
        with pytest.raises(RegistryUnavailableError, match=message) as caught:
            await registry_of(one).snapshot()
    assert hint in caught.value.hint


@pytest.mark.parametrize("case", fake.VECTORS["malformed"], ids=lambda c: c["name"])
async def test_published_malformed_answers_are_outages(
    registry_of: Make, case: dict[str, Any]
) -> None:
    node = fake.Node(data=fake.hex_to_bytes(case["return_data"]))
    async with fake.serving(node):
        with pytest.raises(RegistryUnavailableError):
            await registry_of(node).snapshot()


async def test_an_endpoint_of_another_chain_is_an_error_of_its_own(registry_of: Make) -> None:
    node = fake.Node(chain_id=1)
    async with fake.serving(node):
        with pytest.raises(WrongChainError, match=r"chain 1.*chain 10740"):
            await registry_of(node).snapshot()
        assert len((await registry_of(node, chain_id=1).snapshot()).nodes) == 2


async def test_a_client_that_knows_its_chain_refuses_another_itself(
    http: HttpClient, clock: ShiftedClock
) -> None:
    node = fake.Node(chain_id=1)
    async with fake.serving(node):
        rpc = Rpc([node.url], http, chain_id=fake.CHAIN_ID, timeout=5)
        registry = Registry([rpc], fake.ADDRESS, chain_id=fake.CHAIN_ID, clock=clock)
        with pytest.raises(WrongChainError):
            await registry.snapshot()
    assert node.asked == []


async def test_an_endpoint_that_dies_between_two_questions_is_an_outage(registry_of: Make) -> None:
    node = fake.Node(dies_at_call=True)
    async with fake.serving(node):
        with pytest.raises(RegistryUnavailableError, match="failed") as caught:
            await registry_of(node).snapshot()
    assert node.asked == []
    assert "OG_REGISTRY_RPC_URL" in caught.value.hint


async def test_an_empty_registry_is_no_outage(registry_of: Make) -> None:
    node = fake.Node(data=fake.answer("empty"))
    async with fake.serving(node):
        with pytest.raises(RegistryEmptyError, match="at block 100"):
            await registry_of(node).snapshot()


async def test_records_that_cannot_be_used_are_listed_with_the_reason(registry_of: Make) -> None:
    node = fake.Node(data=fake.answer("missing-endpoint-and-cert"))
    async with fake.serving(node):
        got = await registry_of(node).snapshot()
    assert got.nodes == ()
    assert ["https" in reason or "certificate" in reason for _, reason in got.skipped] == [True] * 2


def test_a_registry_needs_an_endpoint(clock: ShiftedClock) -> None:
    with pytest.raises(ConfigurationError):
        Registry([], fake.ADDRESS, chain_id=1, clock=clock)


def test_reading_the_registry_imports_nothing_heavy() -> None:
    script = (
        "import sys, opengradient_sdk.network\n"
        "heavy = {'web3', 'eth_abi', 'aiohttp', 'pydantic', 'eth_account', 'tenacity'}\n"
        "print(heavy & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
