"""A facilitator whose chain fails it: what the node and the Devnet are told."""

import json
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from opengradient_sdk.devnet.contracts.addresses import SETTLEMENT_RELAY, TEE_REGISTRY
from opengradient_sdk.devnet.facilitator import Facilitator

from .facilitator_doubles import BrokenChain, FakeChainState, FixedClock

VECTORS = Path(__file__).parents[2] / "assets" / "vectors"
CASE = next(
    case
    for case in json.loads((VECTORS / "errors.json").read_text())["facilitator_verify"]
    if case["name"].startswith("accepted-maxTimeout")
)
BODY = {"paymentPayload": CASE["payment_payload"], "paymentRequirements": CASE["requirements"]}
# the key of the facilitator that the recorded payment names; it is anvil's second one
KEY = bytes.fromhex("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")


@asynccontextmanager
async def running(chain):
    facilitator = Facilitator(
        payments=chain,
        registry=chain,
        key=KEY,
        heartbeat_contract=TEE_REGISTRY,
        relay=SETTLEMENT_RELAY,
        clock=FixedClock(CASE["time"]),
    )
    await facilitator.start()
    try:
        async with aiohttp.ClientSession(facilitator.url) as http:
            yield facilitator, http
    finally:
        await facilitator.stop()


async def post(http, path, body):
    async with http.post(path, json=body) as response:
        return response.status, await response.json()


def broken(failure):
    chain = BrokenChain()
    chain.failure = failure
    return chain


async def test_a_chain_that_refuses_to_answer_is_a_server_error():
    """The payer is not blamed for what the chain cannot do."""
    async with running(BrokenChain(payer_code="0x")) as (facilitator, http):
        assert await post(http, "/verify", BODY) == (500, {"error": "the chain is dead"})
        assert facilitator.records.verified == ()


async def test_a_chain_that_is_away_leaves_no_service_for_heartbeats():
    """No answer at all is 503; an answer that refuses would be 500."""
    body = {
        "teeId": "0x" + "11" * 32,
        "timestamp": "1784200000",
        "signature": "AAAA",
        "contractAddress": TEE_REGISTRY,
    }
    async with running(broken(aiohttp.ClientConnectionError("gone"))) as (_, http):
        status, answer = await post(http, "/heartbeat", body)
        assert status == 503
        assert "does not answer" in answer["error"]


async def test_a_settlement_that_cannot_be_sent_says_so():
    """The chain takes questions but no transactions: the job fails with the chain's words."""
    async with running(FakeChainState()) as (facilitator, http):
        status, answer = await post(http, "/settle", BODY)
        assert status == 202
        await facilitator.drain()
        async with http.get(f"/settle/{answer['paymentJob']['jobId']}") as response:
            job = await response.json()
        assert job["status"] == "failed"
        reason = job["result"]["errorReason"]
        assert reason.startswith("invalid_exact_evm_transaction_failed: eth_getBlockByNumber")
        assert facilitator.records.settled == ()


async def test_a_bug_in_a_worker_is_reported_where_one_waits_for_it():
    """Nobody waits for workers that are gone: ``drain`` and ``stop`` say what killed them."""
    with pytest.RaisesGroup(pytest.RaisesExc(ZeroDivisionError, match="bug")):
        async with running(broken(ZeroDivisionError("bug"))) as (facilitator, http):
            assert (await post(http, "/settle", BODY))[0] == 202
            with pytest.raises(RuntimeError, match="stopped with work left") as stopped:
                await facilitator.drain()
            assert isinstance(stopped.value.__cause__, ExceptionGroup)


async def test_an_unreadable_payment_fails_as_a_job():
    """``/settle`` takes what it cannot read, and the job says that it could not."""
    payload = {**CASE["payment_payload"], "payload": {}}
    body = {**BODY, "paymentPayload": payload}
    async with running(FakeChainState()) as (facilitator, http):
        _, answer = await post(http, "/settle", body)
        await facilitator.drain()
        async with http.get(f"/settle/{answer['paymentJob']['jobId']}") as response:
            job = await response.json()
        assert job["result"]["errorReason"] == "unsupported_payload_type"


async def test_a_network_that_is_not_here_is_a_mismatch():
    """A payment for another chain than ours is refused by its network."""
    async with running(FakeChainState(chain_id=10740)) as (_, http):
        _, answer = await post(http, "/verify", BODY)
        assert answer["invalidReason"] == "invalid_upto_evm_network_mismatch"


async def test_there_is_no_address_before_the_start():
    """``url`` is known while the facilitator listens, and not before."""
    chain = FakeChainState()
    facilitator = Facilitator(
        payments=chain,
        registry=chain,
        key=KEY,
        heartbeat_contract=TEE_REGISTRY,
        relay=SETTLEMENT_RELAY,
        clock=FixedClock(0),
    )
    with pytest.raises(RuntimeError, match="not started"):
        _ = facilitator.url
