"""Faults of the answer, the payment, the chain and the clock, seen by a client that trusts."""

from __future__ import annotations

import base64

import aiohttp
import pytest

from opengradient_sdk import Devnet
from opengradient_sdk.devnet import Anvil
from opengradient_sdk.devnet.faults import inject
from opengradient_sdk.devnet.node import SessionState
from opengradient_sdk.errors import ConfigurationError

from .raw import SESSION, Payer, Reply, new_payer

HOWS = pytest.mark.parametrize("how", ["first", "session"])
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
ANSWER_FAULTS = ("wrong-proof", "replayed-proof", "garbage-answer")
HOUR = 3600
HONEST_OFFER = ("amount", "asset", "payTo", "network", "scheme", "maxTimeoutSeconds")


def flat(challenge: dict) -> dict[str, str]:
    """The fields of a challenge that a client pays by."""
    offer = challenge["accepts"][0]
    fields = {name: offer[name] for name in HONEST_OFFER} | offer["extra"]
    return {name: str(value) for name, value in fields.items()} | {
        "x402Version": str(challenge["x402Version"])
    }


def is_signed(reply: Reply) -> bool:
    """Whether the answer can be read to its end, and carries a signature that is base64."""
    try:
        base64.b64decode(reply.answer["tee_signature"], validate=True)
    except (ValueError, IndexError, KeyError):
        return False
    return True


@HOWS
@STREAMED
@pytest.mark.parametrize("seed", range(8))
async def test_an_error_before_the_work_bills_nothing(
    net: Devnet, payer: Payer, how: str, stream: bool, seed: int
) -> None:
    payment = await payer.paid(how)
    calls, sessions = payer.calls, len(payer.sessions)
    async with inject(net, "error-5xx", seed=seed) as struck:
        reply = await payer.post(payment, stream=stream)
    assert struck.hits == 1
    assert reply.status == (500, 502, 503, 504)[seed % 4]
    assert payer.calls == calls
    by_the_node = seed < 4
    assert (SESSION in reply.headers) is by_the_node
    assert len(payer.sessions) == sessions + (by_the_node and how == "first")


@HOWS
@STREAMED
async def test_an_error_after_settling_has_been_billed_and_handed_in(
    net: Devnet, payer: Payer, how: str, stream: bool
) -> None:
    payment = await payer.paid(how)
    async with inject(net, "error-after-settling", seed=2) as struck:
        reply = await payer.post(payment, stream=stream)
    assert (struck.hits, reply.status) == (1, 503)
    assert [session.state for session in payer.sessions] == [SessionState.SETTLED]
    await net.facilitator.drain()
    book = net.books()[payer.wallet.address]
    assert book.settled == book.served > 0
    assert (await payer.post(payment)).status == 402, "the session is over"


@HOWS
@STREAMED
@pytest.mark.parametrize("seed", range(4))
async def test_a_garbled_answer_is_billed_and_cannot_be_read(
    net: Devnet, payer: Payer, how: str, stream: bool, seed: int
) -> None:
    payment = await payer.paid(how)
    calls = payer.calls
    async with inject(net, "garbage-answer", seed=seed) as struck:
        reply = await payer.post(payment, stream=stream)
    assert (struck.hits, reply.status, payer.calls) == (1, 200, calls + 1)
    assert not is_signed(reply)


@HOWS
@STREAMED
async def test_each_part_of_a_proof_can_be_wrong(
    net: Devnet, payer: Payer, how: str, stream: bool
) -> None:
    payment = await payer.paid(how)
    honest = (await payer.post(payment, stream=stream)).answer
    members = ("tee_id", "tee_request_hash", "tee_output_hash")
    seen = []
    for seed in range(6):
        async with inject(net, "wrong-proof", seed=seed) as struck:
            answer = (await payer.post(payment, stream=stream)).answer
        assert struck.hits == 1
        seen.append([name for name in members if answer.get(name) != honest[name]])
    signature_only, request_hash, output_hash, tee_id, salt, unsigned = seen
    assert (signature_only, salt) == ([], [])
    assert (request_hash, output_hash) == (["tee_request_hash"], ["tee_output_hash"])
    assert (tee_id, unsigned) == (["tee_id"], list(members))


@HOWS
@STREAMED
async def test_an_old_proof_is_of_another_request_or_of_another_day(
    net: Devnet, payer: Payer, how: str, stream: bool
) -> None:
    payment = await payer.paid(how)
    honest = (await payer.post(payment, stream=stream)).answer
    async with inject(net, "replayed-proof", seed=0):
        another = (await payer.post(payment, stream=stream)).answer
    async with inject(net, "replayed-proof", seed=1):
        old = (await payer.post(payment, stream=stream)).answer
    assert another["tee_request_hash"] != honest["tee_request_hash"] == old["tee_request_hash"]
    assert another["tee_timestamp"] >= honest["tee_timestamp"] > old["tee_timestamp"] + 23 * HOUR


@HOWS
@STREAMED
@pytest.mark.parametrize("name", ["challenge-after-payment", "bare-402-after-payment"])
async def test_a_paid_request_is_asked_to_pay(
    net: Devnet, payer: Payer, how: str, stream: bool, name: str
) -> None:
    payment = await payer.paid(how)
    calls = payer.calls
    async with inject(net, name) as struck:
        reply = await payer.post(payment, stream=stream)
    assert (struck.hits, reply.status, payer.calls) == (1, 402, calls)
    assert ("PAYMENT-REQUIRED" in reply.headers) is (name == "challenge-after-payment")
    assert (await payer.post(payment)).status == 200


@STREAMED
async def test_a_stale_session_is_refused_and_its_permit_opens_another(
    net: Devnet, payer: Payer, stream: bool
) -> None:
    payment = await payer.pay()
    session = {SESSION: (await payer.post(payment)).headers[SESSION]}
    async with inject(net, "stale-session") as struck:
        reply = await payer.post(session, stream=stream)
    assert (struck.hits, reply.status) == (1, 402)
    assert "PAYMENT-REQUIRED" not in reply.headers
    assert (await payer.post(payment)).status == 200
    book = net.books()[payer.wallet.address]
    assert book.forgotten > 0
    assert book.balanced
    assert (book.calls, len(book.nonces), book.most_open) == (2, 1, 1)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_first_payment_to_a_restarted_node_is_served(
    net: Devnet, payer: Payer, stream: bool
) -> None:
    payment = await payer.pay()
    async with inject(net, "stale-session") as struck:
        reply = await payer.post(payment, stream=stream)
    assert (struck.hits, reply.status) == (1, 200)


async def test_each_field_of_a_challenge_can_ask_for_too_much(net: Devnet, payer: Payer) -> None:
    honest = flat((await payer.post({})).challenge)
    lied = []
    for seed in range(10):
        async with inject(net, "over-asking", seed=seed) as struck:
            challenge = flat((await payer.post({})).challenge)
        assert struck.hits == 1
        lied.append([name for name in honest if challenge[name] != honest[name]])
    assert lied[9] == lied[0], "seeds are counted round and round"
    assert lied[:9] == [
        ["amount"],
        ["asset"],
        ["payTo"],
        ["network"],
        ["scheme"],
        ["maxTimeoutSeconds"],
        ["facilitatorAddress"],
        ["assetTransferMethod"],
        ["x402Version"],
    ]


async def test_over_asking_spares_who_has_paid(net: Devnet, payer: Payer) -> None:
    payment = await payer.open()
    async with inject(net, "over-asking") as struck:
        assert (await payer.post(payment)).status == 200
    assert struck.hits == 0


@STREAMED
async def test_without_a_facilitator_a_payment_gets_502_and_a_session_is_served(
    net: Devnet, payer: Payer, stream: bool
) -> None:
    payment = await payer.pay()
    async with inject(net, "facilitator-down", times=2) as struck:
        refused = await payer.post(payment, stream=stream)
        assert refused.status == 502
        assert payer.sessions == []
        assert (await payer.post(payment)).status == 502
        assert (await payer.post(payment)).status == 200
    assert struck.hits == 2
    opened = await payer.open()
    async with inject(net, "facilitator-down") as struck:
        assert (await payer.post(opened, stream=stream)).status == 200
    assert struck.hits == 1
    assert not net.nodes[0].faults.facilitator_down


@HOWS
@STREAMED
async def test_the_chain_is_gone_when_the_answer_is_lost(
    net: Devnet, payer: Payer, how: str, stream: bool
) -> None:
    async def block_number() -> int:
        ask = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}
        async with aiohttp.request("POST", net.chain.rpc_url, json=ask) as response:
            return response.status

    payment = await payer.paid(how)
    calls = payer.calls
    async with inject(net, "chain-unavailable") as struck:
        assert await block_number() == 200
        with pytest.raises(aiohttp.ClientError):
            await payer.post(payment, stream=stream)
        assert (struck.hits, payer.calls) == (1, calls + 1)
        assert await block_number() == 503
        await net.advance(1)  # the network itself goes on
    assert await block_number() == 200


@HOWS
@STREAMED
@pytest.mark.parametrize(("name", "sign"), [("clock-ahead", 1), ("clock-behind", -1)])
async def test_the_signed_time_is_an_hour_off(
    net: Devnet, payer: Payer, how: str, stream: bool, name: str, sign: int
) -> None:
    payment = await payer.paid(how)
    async with inject(net, name) as struck:
        answer = (await payer.post(payment, stream=stream)).answer
    assert struck.hits == 1
    assert abs(answer["tee_timestamp"] - net.clock.now() - sign * HOUR) < 60


@pytest.mark.parametrize(
    ("name", "reason"),
    [("clock-ahead", "permit2_deadline_expired"), ("clock-behind", "permit2_not_yet_valid")],
)
async def test_with_an_odd_seed_the_permit_is_out_of_its_time(
    net: Devnet, payer: Payer, name: str, reason: str
) -> None:
    payment = await payer.pay()
    async with inject(net, name, seed=1):
        reply = await payer.post(payment)
    assert (reply.status, reply.challenge["error"]) == (402, reason)
    assert (await payer.post(payment)).status == 200


@pytest.mark.parametrize("name", ANSWER_FAULTS)
async def test_the_same_seed_is_the_same_fault(net: Devnet, payer: Payer, name: str) -> None:
    payment = await payer.open()
    shapes = []
    for _ in range(2):
        async with inject(net, name, seed=5):
            reply = await payer.post(payment)
        shapes.append((reply.status, len(reply.raw), reply.raw.count(b"tee_")))
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("no-such-fault", {}, "no fault 'no-such-fault'"),
        ("none", {"node": 2}, "2 nodes, and none is number 2"),
        ("none", {"node": -1}, "none is number -1"),
        ("none", {"times": 0}, "times=0"),
        ("none", {"seed": -1}, "seed=-1"),
    ],
)
async def test_what_cannot_be_injected_is_refused(
    net: Devnet, name: str, options: dict[str, int], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        async with inject(net, name, **options):
            pytest.fail("this block must not run")


@pytest.mark.anvil
async def test_anvil_cannot_be_made_unavailable_but_all_else_works() -> None:
    async with Devnet(evm="anvil", accounts=1) as net, new_payer(net) as payer:
        assert isinstance(net.chain, Anvil)
        with pytest.raises(ConfigurationError, match="anvil"):
            async with inject(net, "chain-unavailable"):
                pytest.fail("this block must not run")
        payment = await payer.pay()
        async with inject(net, "error-5xx") as struck:
            assert (await payer.post(payment)).status == 500
        assert struck.hits == 1
