"""Payments checked and settled on a real chain."""

import asyncio
import copy
import io
from datetime import datetime

import pytest

from opengradient_sdk.devnet.evm import Anvil, PyEvm
from opengradient_sdk.profiles import DEVNET
from opengradient_sdk.types import Address

CAP = 10**17
PAY_TO = Address("0x9deEBB5D1b22e4a6e027977CeAd13893A7E4cC1a")


@pytest.fixture(params=[PyEvm, pytest.param(Anvil, marks=pytest.mark.anvil)])
def evm(request):
    """Both kinds of chain must settle alike."""
    return request.param


async def allowance(world, owner):
    return await world.admin.chain.allowance(DEVNET.opg, owner, DEVNET.permit2)


async def test_says_what_it_supports(world):
    """``/supported`` and ``/health`` have the shape that nodes read at start-up."""
    address = world.facilitator.address
    kinds = [
        {"x402Version": 2, "scheme": "exact", "network": "eip155:8453"},
        {
            "x402Version": 2,
            "scheme": "upto",
            "network": "eip155:8453",
            "extra": {"facilitatorAddress": address},
        },
    ]
    extensions = ["eip2612GasSponsoring", "erc20ApprovalGasSponsoring"]
    signers = {"eip155:*": [address]}
    assert await world.get("/supported") == (
        200,
        {"kinds": kinds, "extensions": extensions, "signers": signers},
    )
    assert await world.get("/health") == (
        200,
        {
            "status": "ok",
            "supportedKinds": kinds,
            "extensions": extensions,
            "signers": signers,
        },
    )


async def test_settles_what_was_used_of_a_cap(world):
    """A verified permit moves exactly the charged amount, once, and is in the books."""
    await world.approve(world.payer)
    payload = await world.pay(world.payer)
    before = await world.balance(world.payer.address)
    assert await world.verify(payload) == {"isValid": True, "payer": world.payer.address}

    job = await world.settle(payload, 12345)
    assert job["status"] == "succeeded"
    assert job["jobId"].startswith("payment-")
    assert job["queue"] == "x402-settle-payment-queue"
    assert job["result"] == {
        "success": True,
        "transaction": job["txHash"],
        "network": "eip155:8453",
        "payer": world.payer.address,
        "amount": "12345",
    }
    created, updated = (datetime.fromisoformat(job[k]) for k in ("createdAt", "updatedAt"))
    assert created <= updated
    assert job["createdAt"].endswith("Z")
    assert await world.balance(PAY_TO) == 12345
    assert await world.balance(world.payer.address) == before - 12345
    assert (await world.verify(payload))["invalidReason"] == "permit2_invalid_nonce"

    (verified,) = world.facilitator.records.verified
    (settled,) = world.facilitator.records.settled
    assert (verified.payer, verified.nonce, verified.cap) == (settled.payer, settled.nonce, CAP)
    assert settled.amount == 12345
    assert str(settled.transaction) == job["txHash"]


async def test_answers_at_once_and_settles_later(world):
    """``/settle`` returns 202 with a job that nothing has happened to yet."""
    await world.approve(world.payer)
    job = await world.accept(await world.pay(world.payer), 1)
    assert job["status"] in ("queued", "processing")
    assert job["result"] is None
    assert "txHash" not in job
    assert await world.get("/settle/payment-nobody") == (
        404,
        {"error": "Settlement job not found: payment-nobody"},
    )


async def test_one_permit_is_one_payment_however_it_is_spelled(world):
    """The same payer and nonce settle once: asking again is the same job, or a failed one."""
    await world.approve(world.payer)
    payload = await world.pay(world.payer)
    respelled = copy.deepcopy(payload) | {"extensions": {"unknown": {"info": {}}}}
    lowered = respelled["payload"]["permit2Authorization"]
    lowered["from"] = lowered["from"].lower()
    first, again = await world.accept(payload, 500), await world.accept(respelled, 500)
    assert first["jobId"] == again["jobId"]
    assert (await world.settle(respelled, 501))["error"].startswith("permit2_invalid_nonce")
    assert await world.balance(PAY_TO) == 500
    await world.verify(await world.pay(world.payer))
    assert len(world.facilitator.records.settled) == 1


async def test_nothing_used_settles_without_a_transaction(world):
    """An amount of zero succeeds, moves nothing and leaves the permit usable."""
    await world.approve(world.payer)
    payload = await world.pay(world.payer)
    job = await world.settle(payload, 0)
    assert job["status"] == "succeeded"
    assert job["result"]["transaction"] == ""
    assert world.facilitator.records.settled == ()
    assert (await world.settle(payload, 7))["status"] == "succeeded"


async def test_more_than_the_cap_is_refused(world):
    """One atom more than was signed fails, and the money stays."""
    await world.approve(world.payer)
    job = await world.settle(await world.pay(world.payer), CAP + 1)
    assert job["status"] == "failed"
    reason = "invalid_upto_evm_payload_settlement_exceeds_amount"
    assert job["result"]["errorReason"] == reason
    assert await world.balance(PAY_TO) == 0


async def test_an_exact_payment_moves_its_whole_amount(world):
    """The ``exact`` scheme settles through its own proxy, for the whole amount only."""
    await world.approve(world.payer)
    payload = await world.pay(world.payer, scheme="exact")
    assert (await world.verify(payload))["isValid"]
    assert (await world.settle(payload, 5))["error"].startswith("permit2_amount_mismatch")
    assert (await world.settle(payload, CAP))["status"] == "succeeded"
    assert await world.balance(PAY_TO) == CAP


async def test_refuses_what_the_chain_refuses(world):
    """Allowance, balance, time and signature are judged by the real contracts' state."""
    payload = await world.pay(world.payer)
    refused = await world.verify(payload)
    assert refused["invalidReason"] == "permit2_allowance_required"
    assert refused["payer"] == world.payer.address
    await world.approve(world.payer)
    tampered = copy.deepcopy(payload)
    tampered["payload"]["permit2Authorization"]["nonce"] = "1"
    assert (await world.verify(tampered))["invalidReason"] == "invalid_permit2_signature"
    world.clock.advance(295)
    assert (await world.verify(payload))["invalidReason"] == "permit2_deadline_expired"
    assert world.facilitator.records.verified == ()


async def test_sponsors_an_approval_for_a_payer_without_gas(world):
    """A payer with OPG and no ETH pays: gas is lent, the approval sent, the payment settled."""
    payload = await world.pay(world.poor)
    payload["extensions"] = await world.approval(world.poor)
    assert await world.admin.chain.wei(world.poor.address) == 0
    assert (await world.verify(payload))["isValid"]
    assert await allowance(world, world.poor.address) == 0, "verifying changes nothing"
    assert (await world.settle(payload, 99))["status"] == "succeeded"
    assert await world.balance(PAY_TO) == 99
    assert await allowance(world, world.poor.address) == CAP - 99


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": 1},
        {"chain_id": 1},
        {"value": 1},
        {"gas": 1_000_000},
        {"max_fee_per_gas": 10**12},
        {"amount": CAP - 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_sponsors_nothing_out_of_bounds(world, changes):
    """An approval outside the stated bounds costs the facilitator nothing."""
    payload = await world.pay(world.poor)
    payload["extensions"] = await world.approval(world.poor, **changes)
    refused = await world.verify(payload)
    assert refused["invalidReason"] == "erc20_approval_tx_out_of_bounds"
    assert (await world.settle(payload, 1))["status"] == "failed"
    assert await world.admin.chain.wei(world.poor.address) == 0


async def test_a_sponsored_approval_that_reverts_settles_nothing(world):
    """An approval with too little gas fails the job; the payer's OPG stays where it is."""
    payload = await world.pay(world.poor)
    payload["extensions"] = await world.approval(world.poor, gas=25_000)
    job = await world.settle(payload, 1)
    assert job["result"]["errorReason"] == "erc20_approval_tx_failed"
    assert await world.balance(PAY_TO) == 0
    assert world.facilitator.records.settled == ()


async def test_a_forged_permit_does_not_take_a_real_ones_place(world):
    """The same payer and nonce under another signature is not the same payment."""
    await world.approve(world.payer)
    payload = await world.pay(world.payer)
    forged = copy.deepcopy(payload)
    forged["payload"]["signature"] = "0x" + "11" * 64 + "1b"
    await world.accept(forged, 5)
    assert (await world.settle(payload, 5))["status"] == "succeeded"


async def test_two_payments_may_carry_the_same_approval(world):
    """The approval is sent once; the second payment finds the allowance on chain."""
    approval = await world.approval(world.poor, amount=2 * CAP)
    payloads = [await world.pay(world.poor) | {"extensions": approval} for _ in range(2)]
    for payload in payloads:
        assert (await world.verify(payload))["isValid"]
        await world.accept(payload, 10)
    await world.facilitator.drain()
    assert [entry.amount for entry in world.facilitator.records.settled] == [10, 10]


async def test_settles_with_an_eip2612_permit(world):
    """A token permit sets the allowance in the settlement's own transaction."""
    payload = await world.pay(world.poor)
    payload["extensions"] = await world.token_permit(world.poor)
    assert (await world.verify(payload))["isValid"]
    assert (await world.settle(payload, 42))["status"] == "succeeded"
    assert await world.balance(PAY_TO) == 42


async def test_settles_many_at_once_with_one_account(world):
    """Settlements and batches share an account; no nonce is used twice or skipped."""
    await world.approve(world.payer)
    payloads = [await world.pay(world.payer) for _ in range(8)]
    statement = {
        "tee_id": "0x" + "11" * 32,
        "input_hash": "22" * 32,
        "output_hash": "33" * 32,
        "tee_signature": "AAAA",
        "tee_timestamp": 1784200001,
    }
    await asyncio.gather(
        *(world.accept(payload, 3) for payload in payloads),
        *(world.settle_data("batch", statement) for _ in range(20)),
    )
    await world.facilitator.drain()
    assert len(world.facilitator.records.settled) == 8
    assert await world.balance(PAY_TO) == 24
    assert await world.admin.chain.next_nonce(world.facilitator.address) == 9


async def test_reports_usage_by_day(world):
    """``/usage`` adds up what was settled."""
    await world.approve(world.payer)
    await world.settle(await world.pay(world.payer), 15 * 10**15)
    status, answer = await world.get("/usage?days=2")
    assert status == 200
    assert answer["totalRequests"] == 1
    assert answer["totalCostOpg"] == "0.015"
    assert [day["requestCount"] for day in answer["daily"]] == [0, 1]
    for days in ("0", "91", "x"):
        assert (await world.get(f"/usage?days={days}"))[0] == 400


@pytest.mark.parametrize("path", ["/verify", "/settle"])
async def test_a_body_without_its_members_is_a_bad_request(world, path):
    """Missing members, no object, no JSON and too much of it are told apart from payments."""
    missing = {"error": "Missing paymentPayload or paymentRequirements"}
    assert await world.post(path, {"paymentPayload": {}}) == (400, missing)
    assert (await world.post(path, []))[0] == 400
    url = world.facilitator.url + path
    async with world.http.post(url, data=b"{") as response:
        assert response.status == 400
    async with world.http.post(url, data=io.BytesIO(b" " * (2 << 20))) as response:
        assert response.status == 413


async def test_faults_are_what_they_say(world):
    """Each switch has its effect and no other."""
    await world.approve(world.payer)
    payload, faults = await world.pay(world.payer), world.facilitator.faults
    faults.refuse = "permit2_insufficient_balance"
    assert (await world.verify(payload))["invalidReason"] == "permit2_insufficient_balance"
    faults.refuse = None
    faults.settle_fails = True
    assert (await world.settle(payload, 5))["status"] == "failed"
    faults.settle_fails = False
    assert (await world.settle(payload, 5))["status"] == "succeeded", "a failed one may be retried"
    faults.unavailable = True
    assert (await world.post("/verify", {}))[0] == 503
    faults.unavailable = False
    faults.broken_json = True
    async with world.http.get(world.facilitator.url + "/supported") as response:
        assert response.status == 200
        with pytest.raises(ValueError, match="Expecting"):
            await response.json()


async def test_stops_in_the_middle_of_a_settlement(world):
    """Stopping drops what waits, closes the port and leaves no task behind."""
    await world.approve(world.payer)
    world.facilitator.faults.delay_settlement = 3600
    await world.accept(await world.pay(world.payer), 1)
    url = world.facilitator.url
    await world.facilitator.stop()
    with pytest.raises(OSError, match="Cannot connect"):
        await world.http.get(url + "/health")
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not any("settlements" in name or "facilitator" in name for name in names)
    with pytest.raises(RuntimeError, match="not started"):
        await world.facilitator.drain()
