"""The typed contracts reproduce every published selector, topic and calldata byte for byte."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opengradient_sdk.chain.abi import AbiError, Event, Function, encode
from opengradient_sdk.chain.contracts import (
    access_control,
    base,
    eip2612,
    eip3009,
    erc20,
    events,
    inference_verifier,
    permit2,
    proxies,
    settlement_relay,
    tee_events,
    tee_info,
    tee_registry,
    tee_verifier,
)
from opengradient_sdk.chain.contracts.eip3009 import Eip3009, TransferAuthorization
from opengradient_sdk.chain.contracts.proxies import (
    Eip2612Permit,
    ExactProxy,
    SettleCall,
    UptoProxy,
)
from opengradient_sdk.chain.contracts.tee_info import decode_active_tees, encode_active_tees
from opengradient_sdk.chain.contracts.tee_registry import TeeRegistry
from opengradient_sdk.types import Address, Bytes32, hex_to_bytes, keccak256

VECTORS = Path(__file__).parents[2] / "assets" / "vectors"
MODULES = (
    access_control,
    eip2612,
    eip3009,
    erc20,
    inference_verifier,
    permit2,
    proxies,
    settlement_relay,
    tee_events,
    tee_info,
    tee_registry,
    tee_verifier,
)
ANYWHERE = Address("0x" + "11" * 20)


def vector(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return loaded


REGISTRY = vector("registry_getActiveTEEs")


class NoRpc:
    """A client that is never asked."""

    async def eth_call(self, to: Any, data: bytes, block: Any = "latest") -> bytes:
        raise AssertionError("encoding needs no chain")


def declared(kind: type[Any]) -> list[Any]:
    return [v for module in MODULES for v in vars(module).values() if isinstance(v, kind)]


@pytest.mark.parametrize(("signature", "selector"), REGISTRY["selectors"].items())
def test_selectors(signature: str, selector: str) -> None:
    assert Function(signature).signature == signature
    assert Function(signature).selector.hex() == selector[2:]


@pytest.mark.parametrize(("signature", "topic"), REGISTRY["event_topics"].items())
def test_topics(signature: str, topic: str) -> None:
    assert str(Event(signature).topic) == topic


def test_all_that_the_vectors_list_is_declared() -> None:
    assert {function.signature for function in declared(Function)} >= set(REGISTRY["selectors"])
    topics = {event.signature for event in declared(events.Event)}
    assert topics >= set(REGISTRY["event_topics"])


@pytest.mark.parametrize(
    ("function", "selector"),
    [
        (eip3009.TRANSFER_WITH_AUTHORIZATION, "e3ee160e"),
        (eip3009.CANCEL_AUTHORIZATION, "5a049a70"),
        (eip3009.AUTHORIZATION_STATE, "e94a0102"),
    ],
)
def test_selectors_of_tokens_that_the_vectors_do_not_list(
    function: Function, selector: str
) -> None:
    assert function.selector.hex() == selector


# The other cases are challenges that no client answers.
UPTO = [case for case in vector("permit2_upto")["cases"] if "payload" in case]
EXACT = [case for case in vector("permit2_exact")["cases"] if "payload" in case]
EIP3009 = [case for case in vector("eip3009")["cases"] if "payload" in case]


def settle_call(case: dict[str, Any], amount: int | None) -> SettleCall:
    authorization = case["payload"]["payload"]["permit2Authorization"]
    witness, permitted = authorization["witness"], authorization["permitted"]
    facilitator = witness.get("facilitator")
    return SettleCall(
        token=Address(permitted["token"]),
        permitted=int(permitted["amount"]),
        nonce=int(authorization["nonce"]),
        deadline=int(authorization["deadline"]),
        amount=int(permitted["amount"]) if amount is None else amount,
        owner=Address(authorization["from"]),
        to=Address(witness["to"]),
        facilitator=Address(facilitator) if facilitator else None,
        valid_after=int(witness["validAfter"]),
        signature=hex_to_bytes(case["signature"]),
    )


PERMIT = Eip2612Permit(10**17, 1784200300, Bytes32(b"\x01" * 32), Bytes32(b"\x02" * 32), 27)


@pytest.mark.parametrize("case", UPTO, ids=lambda case: case["name"])
def test_upto_settlements(case: dict[str, Any]) -> None:
    call = settle_call(case, 12345)
    calldata = hex_to_bytes(case["settle_calldata_amount_12345"])
    request = UptoProxy(NoRpc(), ANYWHERE).settle(call)
    assert (request.to, request.data, request.allow_spend) == (ANYWHERE, calldata, True)
    assert UptoProxy.decode_settle(calldata) == call


@pytest.mark.parametrize("case", EXACT, ids=lambda case: case["name"])
def test_exact_settlements(case: dict[str, Any]) -> None:
    call = settle_call(case, None)
    calldata = hex_to_bytes(case["settle_calldata"])
    request = ExactProxy(NoRpc(), ANYWHERE).settle(call)
    assert (request.to, request.data, request.allow_spend) == (ANYWHERE, calldata, True)
    assert ExactProxy.decode_settle(calldata) == call


def test_settlements_with_a_permit_come_back_as_they_went() -> None:
    from dataclasses import replace

    for proxy, case, amount in ((UptoProxy, UPTO[0], 12345), (ExactProxy, EXACT[0], None)):
        call = replace(settle_call(case, amount), permit=PERMIT)
        assert proxy.decode_settle(proxy.encode_settle(call)) == call


def test_settlements_of_the_other_proxy_are_not_read_as_ones_own() -> None:
    upto = hex_to_bytes(UPTO[0]["settle_calldata_amount_12345"])
    exact = hex_to_bytes(EXACT[0]["settle_calldata"])
    for proxy, foreign in (
        (UptoProxy, exact),
        (ExactProxy, upto),
        (UptoProxy, b""),
        (ExactProxy, b"\0"),
    ):
        with pytest.raises(AbiError, match="not a call of settle"):
            proxy.decode_settle(foreign)


def test_a_settlement_that_the_proxy_cannot_make_is_not_encoded() -> None:
    from dataclasses import replace

    with pytest.raises(AbiError, match="address cannot hold"):
        UptoProxy.encode_settle(replace(settle_call(UPTO[0], 1), facilitator=None))
    with pytest.raises(AbiError, match="permitted amount"):
        ExactProxy.encode_settle(replace(settle_call(EXACT[0], None), amount=1))
    with pytest.raises(AbiError, match="no facilitator"):
        ExactProxy.encode_settle(replace(settle_call(EXACT[0], None), facilitator=ANYWHERE))


def test_a_tag_behind_the_calldata_does_not_hide_a_settlement() -> None:
    calldata = hex_to_bytes(UPTO[0]["settle_calldata_amount_12345"])
    assert UptoProxy.decode_settle(calldata + b"\xde\xad") == UptoProxy.decode_settle(calldata)


@pytest.mark.parametrize("case", EIP3009, ids=lambda case: case["name"])
def test_eip3009_transfers(case: dict[str, Any]) -> None:
    signed = case["payload"]["payload"]["authorization"]
    authorization = TransferAuthorization(
        sender=Address(signed["from"]),
        to=Address(signed["to"].lower()),
        value=int(signed["value"]),
        valid_after=int(signed["validAfter"]),
        valid_before=int(signed["validBefore"]),
        nonce=Bytes32(signed["nonce"]),
    )
    token = Eip3009(NoRpc(), ANYWHERE)
    request = token.transfer_with_authorization(authorization, hex_to_bytes(case["signature"]))
    assert request.data == hex_to_bytes(case["transferWithAuthorization_vrs_calldata"])
    assert request.allow_spend
    with pytest.raises(AbiError, match="65 bytes"):
        token.transfer_with_authorization(authorization, b"short")


def test_merkle_leaves() -> None:
    file = vector("merkle_batch")
    checked = 0
    for case in file["cases"]:
        for leaf in case["leaves"]:
            value = leaf["value"]
            words = [*(hex_to_bytes(word) for word in value[:4]), int(value[4])]
            hashed = keccak256(keccak256(encode(file["leaf_types"], words)))
            assert "0x" + hashed.hex() == leaf["leaf_hash"]
            checked += 1
    assert checked > len(file["cases"])


def test_registry_question_and_heartbeat() -> None:
    assert encode_active_tees() == hex_to_bytes(REGISTRY["call"]["data"])
    beat = REGISTRY["heartbeat"]
    registry = TeeRegistry(NoRpc(), Address(REGISTRY["call"]["to"]))
    signature = base64.b64decode(beat["signature_base64"])
    request = registry.heartbeat(Bytes32(beat["tee_id"]), beat["timestamp"], signature)
    assert request.data == hex_to_bytes(beat["calldata"])
    assert not request.allow_spend
    packed = hex_to_bytes(beat["tee_id"]) + beat["timestamp"].to_bytes(32, "big")
    assert "0x" + keccak256(packed).hex() == beat["message_hash"]


@pytest.mark.parametrize("case", REGISTRY["cases"], ids=lambda c: f"{c['name']}-{c['abi']}")
def test_registry_answers_of_both_layouts(case: dict[str, Any]) -> None:
    layout, tees = decode_active_tees(hex_to_bytes(case["return_data"]))
    if case["values"]:  # an empty list is the same in both
        assert layout == ("july" if case["abi"] == "with_ohttpConfig" else "april")
    assert len(tees) == len(case["values"])
    for tee, (owner, paid, endpoint, key, cert, pcr, kind, enabled, since, beat, *july) in zip(
        tees, case["values"], strict=True
    ):
        assert (tee.owner, tee.payment_address, tee.endpoint) == (owner, paid, endpoint)
        assert (tee.public_key, tee.tls_certificate) == (hex_to_bytes(key), hex_to_bytes(cert))
        assert (str(tee.pcr_hash), tee.tee_type, tee.enabled) == (pcr, kind, enabled)
        assert (tee.registered_at, tee.last_heartbeat_at) == (since, beat)
        if not july or july[0][4] == "0x":
            assert tee.ohttp is None
            continue
        assert tee.ohttp is not None
        got = tee.ohttp
        assert [got.key_id, got.kem_id, got.kdf_id, got.aead_id] == july[0][:4]
        assert [got.public_key, got.key_config] == [hex_to_bytes(b) for b in july[0][4:6]]
        assert got.registered_at == july[0][6]


@pytest.mark.parametrize("case", REGISTRY["malformed"], ids=lambda c: c["name"])
def test_malformed_registry_answers(case: dict[str, Any]) -> None:
    with pytest.raises(AbiError):
        decode_active_tees(hex_to_bytes(case["return_data"]))


def test_a_damaged_july_answer_is_not_taken_for_an_april_one() -> None:
    case = next(c for c in REGISTRY["cases"] if c["values"] and c["abi"] == "with_ohttpConfig")
    data = bytearray(hex_to_bytes(case["return_data"]))
    key_id = bytes(31) + bytes([case["values"][0][10][0]]) + bytes(30) + b"\x00\x20"
    at = bytes(data).index(key_id)
    data[at : at + 32] = b"\xff" * 32  # not a uint8
    with pytest.raises(AbiError, match="uint8"):
        decode_active_tees(bytes(data))


def test_an_endpoint_that_is_not_text_spoils_its_own_record_only() -> None:
    case = next(c for c in REGISTRY["cases"] if c["name"] == "two")
    data = hex_to_bytes(case["return_data"]).replace(b"https://1.2.3.4", b"https://\xff.2.3.4", 1)
    _, (broken, whole) = decode_active_tees(data)
    assert broken.endpoint == "https://\\xff.2.3.4"
    assert whole.endpoint == case["values"][1][2]


def test_importing_contracts_hashes_nothing() -> None:
    assert "selector" not in vars(Function("f(uint8)"))
    assert base.Contract(NoRpc(), ANYWHERE).address == ANYWHERE


def test_every_public_name_is_found_in_its_module() -> None:
    from opengradient_sdk.chain import contracts

    for name in contracts.__all__:
        assert getattr(contracts, name) is not None
    with pytest.raises(AttributeError, match="Erc721"):
        _ = contracts.Erc721


def test_reading_nodes_loads_no_other_contract() -> None:
    script = (
        "import sys, opengradient_sdk.network.registry\n"
        "print(*sorted(m.rsplit('.')[-1] for m in sys.modules if '.chain.contracts.' in m))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["tee_info"]
