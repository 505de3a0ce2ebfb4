"""Hashes and heartbeats on a real chain."""

import asyncio
import base64
import json
import secrets

import pytest
from eth_abi import encode

from opengradient_sdk.devnet.contracts.addresses import SETTLEMENT_RELAY, TEE_REGISTRY
from opengradient_sdk.devnet.facilitator.abi import selector
from opengradient_sdk.devnet.facilitator.data import parse_settlement
from opengradient_sdk.devnet.facilitator.merkle import MerkleTree, leaf_hash
from opengradient_sdk.devnet.node.attestation import devnet_pcrs, make_document
from opengradient_sdk.devnet.node.identity import Enclave
from opengradient_sdk.errors import ChainError
from opengradient_sdk.types import bytes_to_hex, keccak256

BATCH_TOPIC = bytes_to_hex(keccak256(b"BatchSettlement(bytes32,uint256,bytes)"))
INDIVIDUAL_TOPIC = bytes_to_hex(
    keccak256(b"IndividualSettlement(bytes32,address,bytes32,bytes32,uint256,bytes,bytes)")
)


@pytest.fixture
async def enclave(world):
    """An enclave that is registered, under the chain's own test root."""
    now = world.clock.now()
    enclave = await Enclave.create("node", now)
    pcrs = devnet_pcrs()
    document = make_document(
        world.root,
        tls_certificate_der=enclave.tls_certificate_der,
        signing_key_der=enclave.public_key_der,
        pcrs=pcrs,
        now=now,
    )
    approve = selector("approvePCR((bytes,bytes,bytes),string,uint8)") + encode(
        ["(bytes,bytes,bytes)", "string", "uint8"], [(pcrs[0], pcrs[1], pcrs[2]), "devnet-1", 0]
    )
    arguments = (
        document,
        enclave.public_key_der,
        enclave.tls_certificate_der,
        world.payer.address,
        "https://127.0.0.1:1",
        0,
    )
    types = ["bytes", "bytes", "bytes", "address", "string", "uint8"]
    register = selector(f"registerTEEWithAttestation({','.join(types)})") + encode(types, arguments)
    assert (await world.admin.execute(TEE_REGISTRY, approve)).succeeded
    assert (await world.admin.execute(TEE_REGISTRY, register)).succeeded
    yield enclave
    enclave.close()


def statement(number=0):
    return {
        "tee_id": "0x" + "11" * 32,
        "input_hash": f"{number:064x}",
        "output_hash": secrets.token_hex(32),
        "tee_signature": base64.b64encode(secrets.token_bytes(256)).decode(),
        "tee_timestamp": 1784200001,
        "timestamp": 1784200001,
    }


async def logs(world, topic):
    query = {"address": SETTLEMENT_RELAY, "topics": [topic], "fromBlock": "0x0"}
    return await world.chain.request("eth_getLogs", [query])


async def test_settles_a_batch_that_anyone_can_check(world):
    """Root, size and blob id are on chain, the blob is there, and the relay accepts a proof."""
    data = [statement(n) for n in range(3)]
    jobs = [(await world.settle_data("batch", item))[1]["settlementJob"] for item in data]
    assert all(job["jobId"].startswith("settlement-batch-") for job in jobs)
    assert {job["status"] for job in jobs} == {"queued"}
    assert await logs(world, BATCH_TOPIC) == []
    await world.facilitator.drain()

    (event,) = await logs(world, BATCH_TOPIC)
    _status, job = await world.get(f"/settle/{jobs[0]['jobId']}")
    assert job["status"] == "succeeded"
    assert job["settlementType"] == "batch"
    assert job["txHash"] == event["transactionHash"]
    blob_url = f"{world.facilitator.url}/v1/blobs/{job['walrusBlobId']}"
    async with world.http.get(blob_url) as response:
        dump = json.loads(await response.read())
    headers = [base64.b64encode(json.dumps(item).encode()).decode() for item in data]
    tree = MerkleTree([parse_settlement("batch", header).leaf for header in headers])
    assert dump == json.loads(tree.blob())
    assert event["topics"][1] == str(tree.root) == dump["tree"][0]
    assert bytes.fromhex(event["data"][2:])[:32] == (3).to_bytes(32, "big")
    assert job["walrusBlobId"].encode() in bytes.fromhex(event["data"][2:])
    accepted = await world.view(
        SETTLEMENT_RELAY,
        "verifyProof(bytes32[],bytes32,bytes32)",
        ["bool"],
        tree.proof(1),
        tree.root,
        leaf_hash(tree.leaves[1]),
    )
    assert accepted


async def test_a_full_buffer_goes_out_by_itself(world):
    """Twenty statements are a batch at once; the rest waits for the next one."""
    answers = [await world.settle_data("batch", statement(number)) for number in range(21)]
    first = answers[0][1]["settlementJob"]["jobId"]
    async with asyncio.timeout(20):
        # the API has no other way to learn of it
        while (await world.get(f"/settle/{first}"))[1]["status"] != "succeeded":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await world.facilitator.drain()
    sizes = [int(event["data"][2:66], 16) for event in await logs(world, BATCH_TOPIC)]
    assert sizes == [20, 1]


async def test_nothing_private_is_settled(world):
    """``private`` is accepted and leaves no trace."""
    notes = "Private settlement ignored by facilitator."
    headers = {"x-settlement-type": "private"}
    assert await world.post("/settle_data", {}, headers) == (
        202,
        {"settlementJob": None, "notes": notes},
    )
    assert (await world.post("/settle_data", {}))[0] == 400
    await world.facilitator.drain()
    assert await logs(world, BATCH_TOPIC) == []


async def signed_statement(world, enclave):
    data = statement() | {
        "tee_id": str(enclave.tee_id),
        "tee_timestamp": int(world.clock.now()),
        "timestamp": "1784200001",
        "eth_address": world.payer.address,
        "input": {"model": "gpt-5"},
        "output": {"text": "hello"},
    }
    message = keccak256(
        bytes.fromhex(data["input_hash"])
        + bytes.fromhex(data["output_hash"])
        + data["tee_timestamp"].to_bytes(32, "big")
    )
    data["tee_signature"] = base64.b64encode(await enclave.sign(message)).decode()
    return data


async def test_settles_an_individual_answer(world, enclave):
    """The relay checks the enclave's signature itself, and the texts are in the blob."""
    status, answer = await world.settle_data("individual", await signed_statement(world, enclave))
    job = answer["settlementJob"]
    assert status == 202
    assert job["jobId"].startswith("settlement-individual-")
    assert job["signerAddress"] == world.facilitator.address
    assert job["queueNonce"] == 0
    await world.facilitator.drain()
    (event,) = await logs(world, INDIVIDUAL_TOPIC)
    assert event["transactionHash"] == job["txHash"]
    async with world.http.get(
        f"{world.facilitator.url}/v1/blobs/{job['walrusBlobId']}"
    ) as response:
        assert json.loads(await response.read())["output"] == {"text": "hello"}


async def test_an_individual_answer_with_a_wrong_signature_fails(world, enclave):
    """The planned transaction reverts; the job says so and later work goes on."""
    data = await signed_statement(world, enclave) | {"output_hash": "00" * 32}
    _status, answer = await world.settle_data("individual", data)
    await world.facilitator.drain()
    _status, job = await world.get(f"/settle/{answer['settlementJob']['jobId']}")
    assert job["status"] == "failed"
    assert "reverted" in job["error"]
    assert await logs(world, INDIVIDUAL_TOPIC) == []


async def test_too_large_a_header_is_refused(world):
    """A long prompt does not fit into the header of an individual settlement."""
    data = statement() | {"input": "x" * 20_000}
    encoded = base64.b64encode(json.dumps(data).encode()).decode()
    headers = {"x-settlement-type": "individual", "x-settlement-data": encoded}
    url = world.facilitator.url + "/settle_data"
    async with world.http.post(url, json={}, headers=headers) as response:
        assert response.status == 400


async def heartbeat(world, enclave, **changes):
    timestamp = int(world.clock.now()) - 300
    message = keccak256(enclave.tee_id + timestamp.to_bytes(32, "big"))
    body = {
        "teeId": str(enclave.tee_id),
        "timestamp": str(timestamp),
        "signature": base64.b64encode(await enclave.sign(message)).decode(),
        "contractAddress": TEE_REGISTRY,
    }
    return await world.post("/heartbeat", body | changes), body


async def test_forwards_a_heartbeat(world, enclave):
    """The registry notes the sign of life; the facilitator pays for it."""
    world.clock.advance(2000)
    await world.chain.mine()
    active = ("isTEEActive(bytes32)", ["bool"], enclave.tee_id)
    assert not await world.view(TEE_REGISTRY, *active)
    (status, answer), body = await heartbeat(world, enclave)
    assert status == 200
    assert answer == {
        "success": True,
        "txHash": answer["txHash"],
        "teeId": body["teeId"],
        "timestamp": body["timestamp"],
        "relayer": world.facilitator.address,
        "contract": TEE_REGISTRY,
    }
    assert await world.view(TEE_REGISTRY, *active)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"contractAddress": SETTLEMENT_RELAY}, 400),
        ({"contractAddress": "nonsense"}, 400),
        ({"teeId": "0x12"}, 400),
        ({"timestamp": "-1"}, 400),
        ({"signature": "*"}, 400),
        ({"signature": None}, 400),
        ({"teeId": "0x" + "22" * 32}, 500),
        ({"signature": base64.b64encode(b"x" * 256).decode()}, 500),
    ],
    ids=[
        "other contract",
        "no address",
        "short id",
        "no time",
        "no base64",
        "missing",
        "unknown",
        "wrong",
    ],
)
async def test_refuses_a_heartbeat(world, enclave, changes, expected):
    """Malformed ones cost nothing; what the registry refuses is reported as its refusal."""
    (status, answer), _body = await heartbeat(world, enclave, **changes)
    assert status == expected
    assert answer["error"]


async def test_a_batch_waits_for_a_relay_that_refuses_it(world):
    """A facilitator without its role keeps the batch, and settles it once it has the role."""
    role = keccak256(b"SETTLEMENT_RELAY_ROLE")
    types = ["bytes32", "address"]
    revoke, grant = (
        selector(f"{name}(bytes32,address)") + encode(types, [role, world.facilitator.address])
        for name in ("revokeRole", "grantRole")
    )
    assert (await world.admin.execute(SETTLEMENT_RELAY, revoke)).succeeded
    _status, answer = await world.settle_data("batch", statement())
    with pytest.raises(ChainError, match="revert"):
        await world.facilitator.drain()
    assert (await world.admin.execute(SETTLEMENT_RELAY, grant)).succeeded
    await world.facilitator.drain()
    _status, job = await world.get(f"/settle/{answer['settlementJob']['jobId']}")
    assert job["status"] == "succeeded"


async def test_takes_blobs_as_a_publisher(world):
    """Anybody may store a blob and read it back; nonsense is refused."""
    url = world.facilitator.url + "/v1/blobs"
    async with world.http.put(url + "?epochs=10", data=b"hello") as response:
        stored = (await response.json())["newlyCreated"]["blobObject"]
    async with world.http.get(f"{url}/{stored['blobId']}") as response:
        assert await response.read() == b"hello"
    async with world.http.put(url + "?epochs=never", data=b"hello") as response:
        assert response.status == 400
    assert (await world.get("/v1/blobs/" + "A" * 43))[0] == 404
