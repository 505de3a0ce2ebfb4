"""What a node does unasked, and the free routes that tell about it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
import threading
from decimal import Decimal

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from opengradient_sdk.devnet.node import SessionState
from opengradient_sdk.types import keccak256
from opengradient_sdk.verification.attestation import verify_attestation

from .conftest import (
    HELLO,
    OPTION,
    PAY_TO,
    REGISTRY,
    Scene,
    ScriptedScene,
    payment,
    scene,
)


async def test_an_idle_session_is_settled_for_the_sum_of_its_answers(july: Scene) -> None:
    first = await july.customer.paid()
    await july.customer.post(session=first.session)
    session = july.node.sessions[0]

    july.clock.advance(99)
    await july.node.tick()
    assert not july.facilitator.named("/settle")
    july.clock.advance(2)
    await july.node.tick()

    (call,) = july.facilitator.named("/settle")
    assert call.body["x402Version"] == 2
    assert call.body["paymentRequirements"] == {**OPTION, "amount": str(session.cost)}
    assert call.body["paymentPayload"]["payload"]["permit2Authorization"]["nonce"]
    assert (session.state, session.job) == (SessionState.SETTLED, "payment-1")
    await july.node.tick()
    assert len(july.facilitator.named("/settle")) == 1


async def test_activity_keeps_a_session_open(july: Scene) -> None:
    first = await july.customer.paid()
    for _ in range(3):
        july.clock.advance(60)
        await july.node.tick()
        assert (await july.customer.post(session=first.session)).status == 200

    assert not july.facilitator.named("/settle")


async def test_a_session_is_not_settled_while_it_serves(scripted: ScriptedScene) -> None:
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    scripted.provider.script = {"content": "slow", "usage": usage}
    first = await scripted.customer.paid()
    scripted.provider.reached.clear()
    scripted.provider.gate.clear()
    running = asyncio.create_task(scripted.customer.post(session=first.session))
    await scripted.provider.reached.wait()
    scripted.clock.advance(101)

    await scripted.node.tick()
    assert not scripted.facilitator.named("/settle")

    scripted.provider.gate.set()
    assert (await running).status == 200
    scripted.clock.advance(101)
    await scripted.node.tick()
    assert len(scripted.facilitator.named("/settle")) == 1


async def test_a_session_that_served_nothing_expires_unsettled(july: Scene) -> None:
    pay = payment()
    await july.customer.post({"model": "gpt-5"}, pay=pay)
    july.clock.advance(101)
    await july.node.tick()

    assert not july.facilitator.named("/settle")
    assert july.node.sessions[0].state is SessionState.EXPIRED
    assert (await july.customer.post(pay=pay)).status == 200
    assert len(july.node.sessions) == 2


async def test_a_settlement_that_is_refused_stays_due(july: Scene) -> None:
    await july.customer.paid()
    july.clock.advance(101)
    july.facilitator.refuses_settlement = True
    await july.node.tick()
    assert july.node.sessions[0].state is SessionState.OPEN
    july.facilitator.refuses_settlement = False

    await july.node.tick()

    assert july.node.sessions[0].state is SessionState.SETTLED


async def test_records_of_answers_are_sent_in_their_order(july: Scene) -> None:
    first = await july.customer.paid()
    second = await july.customer.post(session=first.session, kind="  Batch ")
    await july.customer.post(session=first.session, kind="PIVATE")
    await july.node.tick()

    sent = [call.data()["tee_signature"] for call in july.facilitator.named("/settle_data")]
    assert sent == [first.json["tee_signature"], second.json["tee_signature"]]


@pytest.mark.parametrize("kind", ["individual", "In-divi_dual", "inidvidual"])
async def test_an_individual_settlement_is_told_in_headers(july: Scene, kind: str) -> None:
    reply = await july.customer.paid(kind=kind)

    assert reply.headers["X-Settlement-Tx-Hash"] == july.facilitator.job["txHash"]
    assert reply.headers["X-TEE-Request-Hash"] == "0x" + reply.json["tee_request_hash"]
    (call,) = july.facilitator.named("/settle_data")
    assert call.data()["input"] == HELLO
    assert call.data()["output"]["id"] == reply.json["id"]


async def test_an_individual_settlement_that_fails_is_missing_in_the_headers(july: Scene) -> None:
    first = await july.customer.paid()
    july.facilitator.broken_json = True

    reply = await july.customer.post(session=first.session, kind="individual")

    assert reply.status == 200
    assert "X-TEE-Signature" in reply.headers
    assert not [name for name in reply.headers if name.startswith("X-Settlement")]


async def test_a_heartbeat_is_due_every_fifteen_minutes(july: Scene) -> None:
    july.clock.advance(890)
    await july.node.tick()
    assert not july.facilitator.named("/heartbeat")
    july.clock.advance(11)
    await july.node.tick()
    await july.node.tick()

    (call,) = july.facilitator.named("/heartbeat")
    assert call.body["teeId"] == str(july.node.tee_id)
    assert call.body["contractAddress"] == str(REGISTRY)
    timestamp = int(call.body["timestamp"])
    assert abs(july.clock.now() - 300 - timestamp) < 60
    key = load_der_public_key(july.node.public_key_der)
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(
        base64.b64decode(call.body["signature"]),
        keccak256(july.node.tee_id + timestamp.to_bytes(32)),
        padding.PSS(padding.MGF1(hashes.SHA256()), 32),
        hashes.SHA256(),
    )
    status = (await july.customer.get("/heartbeat/status")).json
    assert (status["total_sent"], status["last_tx_hash"]) == (1, "0x" + "cd" * 32)


async def test_a_heartbeat_that_fails_is_tried_three_times(july: Scene) -> None:
    july.facilitator.refuses_settlement = True
    july.clock.advance(901)
    for _ in range(5):
        await july.node.tick()
        july.clock.advance(11)

    assert len(july.facilitator.named("/heartbeat")) == 3
    status = (await july.customer.get("/heartbeat/status")).json
    assert (status["total_sent"], status["total_errors"]) == (0, 3)
    assert "not now" in status["last_error"]


async def test_a_stale_node_sends_no_heartbeat(july: Scene) -> None:
    july.node.faults.stale_heartbeat = True
    july.clock.advance(10_000)
    await july.node.tick()

    assert not july.facilitator.named("/heartbeat")


async def test_health_publishes_the_opg_price() -> None:
    async with scene(opg_usd=Decimal("0.25")) as it:
        body = (await it.customer.get("/health")).json

    assert body["status"] == "OK"
    assert body["tee_enabled"] is True
    assert body["price_feed"]["price_usd"] == 0.25
    assert body["price_feed"]["refresh_interval"] == 300


async def test_the_signing_key_is_told(july: Scene) -> None:
    body = (await july.customer.get("/signing-key")).json

    key = load_pem_public_key(body["public_key"].encode())
    assert key == load_der_public_key(july.node.public_key_der)
    assert (
        body["tee_id"] == str(july.node.tee_id) == "0x" + keccak256(july.node.public_key_der).hex()
    )
    assert body["wallet_address"] == str(PAY_TO)
    assert body["measurements"] is None


async def test_an_attestation_binds_key_certificate_and_nonce(july: Scene) -> None:
    nonce = bytes(range(20))

    reply = await july.customer.get(f"/enclave/attestation?nonce={nonce.hex()}")

    facts = verify_attestation(
        base64.b64decode(reply.text),
        root=july.node.root.pem,
        now=july.clock.now(),
        max_age=300,
        nonce=nonce,
        tls_certificate_der=july.node.tls_certificate_der,
        signing_key_der=july.node.public_key_der,
    )
    assert facts.pcr_hash == keccak256(b"".join(july.node.pcrs[i] for i in range(3)))


@pytest.mark.parametrize("query", ["", "?nonce=00", "?nonce=" + "zz" * 20])
async def test_an_attestation_needs_a_nonce_of_twenty_bytes(july: Scene, query: str) -> None:
    reply = await july.customer.get("/enclave/attestation" + query)

    assert reply.status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/health", 405),
        ("GET", "/v1/keys", 405),
        ("GET", "/v1/images/generations", 404),
        ("DELETE", "/v1/chat/completions", 405),
    ],
)
async def test_other_methods_and_paths_are_problems(
    july: Scene, method: str, path: str, status: int
) -> None:
    reply = await july.customer.send(method, path, headers={})

    assert (reply.status, reply.json["status"]) == (status, status)


async def test_the_operators_route_is_closed(july: Scene) -> None:
    reply = await july.customer.send("POST", "/v1/keys", data=b"{}", headers={})

    assert reply.status == 409


async def test_the_certificate_is_for_loopback_and_survives_the_clock(july: Scene) -> None:
    certificate = x509.load_der_x509_certificate(july.node.tls_certificate_der)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert (await july.customer.get("/health")).status == 200  # the customer pins it


async def test_the_certificate_may_be_the_only_authority_under_strict_rules(july: Scene) -> None:
    pem = ssl.DER_cert_to_PEM_cert(july.node.tls_certificate_der)
    context = ssl.create_default_context(cadata=pem)
    context.verify_flags |= ssl.VERIFY_X509_STRICT

    async with (
        aiohttp.ClientSession() as http,
        http.get(july.node.endpoint + "/health", ssl=context) as reply,
    ):
        assert reply.status == 200


async def test_another_certificate_is_not_the_nodes(july: Scene) -> None:
    pin = aiohttp.Fingerprint(hashlib.sha256(b"another").digest())

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=pin)) as http:
        with pytest.raises(aiohttp.ServerFingerprintMismatch):
            await http.get(july.node.endpoint + "/health")


async def test_stopping_leaves_no_port_task_or_thread() -> None:
    threads = set(threading.enumerate())
    tasks = asyncio.all_tasks()
    async with scene() as it:
        await it.customer.paid()
        endpoint = it.node.endpoint
        await it.node.stop()
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ClientConnectorError):
                await http.get(endpoint, ssl=False)
        left = [t for t in threading.enumerate() if "enclave" in t.name and t not in threads]
        assert left == []
    assert asyncio.all_tasks() <= tasks


async def test_a_restarted_node_is_another_enclave_without_sessions(july: Scene) -> None:
    first = await july.customer.paid()
    before = july.node.tee_id
    await july.node.stop()
    await july.node.start()

    assert july.node.tee_id != before
    assert july.node.sessions == ()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http:
        headers = {"X-Upto-Session": first.session}
        reply = await http.post(
            july.node.endpoint + "/v1/chat/completions", data=json.dumps(HELLO), headers=headers
        )
        assert reply.status == 402
