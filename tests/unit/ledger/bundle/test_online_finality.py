"""Whether what the chains show can still be taken back, on a Devnet that is slow to finalize."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
from support.lying_rpc import LyingRpc

from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk._core.http import HttpClient
from opengradient_sdk.chain.rpc import Rpc
from opengradient_sdk.errors import SettlementError
from opengradient_sdk.ledger import DataState
from opengradient_sdk.ledger.bundle import BundleReport, OnlineSources, verify_online
from opengradient_sdk.payments.status import PaymentState
from opengradient_sdk.verification import Assurance, CheckStatus

DEPTH: Final = 400
"""Blocks that ``finalized`` lags behind, more than these tests mine before they say so."""
FINALITY: Final = ("registry_final", "payment_final", "data_final")


class Lagging(LyingRpc):
    """An endpoint that calls nothing final but the first block, or refuses to say."""

    refuses = False

    def _falsified(self, call: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        if call["method"] == "eth_getBlockByNumber" and call["params"][0] == "finalized":
            if self.refuses:
                return {**answer, "result": None}
            answer["result"]["number"] = "0x1"
        return answer


@dataclass
class Reader:
    """Somebody with a bundle and endpoints of both chains; ``lagging`` is one more of each."""

    net: Devnet
    sources: OnlineSources
    lagging: tuple[Lagging, Lagging]
    late: OnlineSources

    async def checks(self, bundle: dict[str, Any], sources: OnlineSources) -> dict[str, Any]:
        report = await verify_online(bundle, None, sources)
        return {check.name: check for check in report.evidence.checks}


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    async with AsyncExitStack() as stack:
        net = await stack.enter_async_context(Devnet(finality_depth=DEPTH))
        http = HttpClient()
        stack.push_async_callback(http.aclose)
        chains = net.registry_chain, net.chain
        ids = net.profile.registry.chain_id, net.profile.payments.chain_id
        lagging = [await stack.enter_async_context(Lagging(chain.rpc_url)) for chain in chains]
        honest, late = (
            [Rpc([url], http, chain_id=chain_id) for url, chain_id in zip(urls, ids, strict=True)]
            for urls in ([chain.rpc_url for chain in chains], [each.url for each in lagging])
        )
        yield Reader(
            net,
            OnlineSources(net.profile, [honest[0]], [honest[1]]),
            (lagging[0], lagging[1]),
            OnlineSources(net.profile, [honest[0], late[0]], [honest[1], late[1]]),
        )


async def _settled(net: Devnet) -> dict[str, Any]:
    async with AsyncOpenGradient(
        signer=net.accounts[0], network=net.profile, budget="2 OPG", store=":memory:"
    ) as client:
        reply = await client.chat.create(model="openai/gpt-5", messages="hi", max_tokens=64)
        await net.advance(130)
        await client.receipts.wait(reply.receipt, payment=PaymentState.SETTLED, timeout=20)
        await net.advance(300)
        receipt = await client.receipts.wait(reply.receipt, data=DataState.SETTLED, timeout=20)
        return json.loads(json.dumps(await client.receipts.export(receipt)))


async def _never_charged(net: Devnet) -> dict[str, Any]:
    async with AsyncOpenGradient(
        signer=net.accounts[0],
        network=net.profile,
        budget="2 OPG",
        store=":memory:",
        settlement="private",
    ) as client:
        reply = await client.chat.create(model="openai/gpt-5", messages="hi", max_tokens=64)
        net.facilitator.faults.settle_fails = True
        await net.advance(400)
        await net.mine(DEPTH + 80)
        receipt = await client.receipts.wait(reply.receipt, timeout=20)
        assert receipt.payment.state is PaymentState.NOT_CHARGED
        return json.loads(json.dumps(await client.receipts.export(receipt)))


async def test_what_is_seen_is_pending_until_its_block_is_final(reader: Reader) -> None:
    bundle = await _settled(reader.net)

    early = await reader.checks(bundle, reader.sources)
    await reader.net.mine(DEPTH + 1)
    late = await reader.checks(bundle, reader.sources)

    for name in FINALITY:
        claim = name.removesuffix("_final")
        assert early[claim].status is late[claim].status is CheckStatus.PASSED
        assert early[name].status is CheckStatus.PENDING, early[name]
        assert "not final yet" in early[name].reason
        assert late[name].status is CheckStatus.PASSED, late[name]
    block = bundle["data"]["proof"]["block_number"]
    assert f"block {block} is final" in late["data_final"].reason
    assert late["data_final"].source == reader.sources.registry[0].names[0]


async def test_one_endpoint_that_has_not_got_there_is_waited_for(reader: Reader) -> None:
    bundle = await _settled(reader.net)
    await reader.net.mine(DEPTH + 1)

    found = await reader.checks(bundle, reader.late)

    for name, late in zip(FINALITY[:2], (reader.late.registry, reader.late.payments), strict=True):
        assert found[name].status is CheckStatus.PENDING
        assert f"by {late[1].names[0]}" in found[name].reason


async def test_an_endpoint_that_knows_no_final_block_leaves_it_to_the_others(
    reader: Reader,
) -> None:
    bundle = await _settled(reader.net)
    await reader.net.mine(DEPTH + 1)
    for each in reader.lagging:
        each.refuses = True

    found = await reader.checks(bundle, reader.late)
    alone = await reader.checks(
        bundle,
        replace(reader.late, registry=reader.late.registry[1:], payments=reader.late.payments[1:]),
    )

    for name in FINALITY:
        assert found[name].status is CheckStatus.PASSED
        assert alone[name].status is CheckStatus.NOT_CHECKED
        assert alone[name.removesuffix("_final")].status is CheckStatus.PASSED


async def test_that_nothing_was_charged_needs_a_final_block(reader: Reader) -> None:
    bundle = await _never_charged(reader.net)

    sure = await verify_online(bundle, None, reader.sources)
    unsure = await verify_online(bundle, None, reader.late)

    assert _of(sure, "payment") is _of(sure, "payment_final") is CheckStatus.PASSED
    assert _of(unsure, "payment") is _of(unsure, "payment_final") is CheckStatus.PENDING
    assert "payment.status.proof.bitmap" in sure.proven
    assert "payment.status.proof.bitmap" in unsure.unproven
    assert "3 checks wait for the chain" in unsure.explain()  # the registry's, too
    assert "wait for the chain" not in sure.explain()


async def test_a_block_that_is_not_on_chain_is_no_matter_of_waiting(reader: Reader) -> None:
    bundle = await _never_charged(reader.net)
    bundle["payment"]["status"]["proof"]["block_hash"] = "0x" + "12" * 32

    with pytest.raises(SettlementError, match="payment"):
        await verify_online(bundle, None, reader.late)


async def test_finality_adds_nothing_to_the_assurance(reader: Reader) -> None:
    bundle = await _settled(reader.net)

    early = await verify_online(bundle, None, reader.sources)

    assert early.evidence.pending
    assert early.assurance is Assurance.REGISTERED


def _of(report: BundleReport, name: str) -> CheckStatus:
    check = report.evidence.get(name)
    assert check is not None
    return check.status
