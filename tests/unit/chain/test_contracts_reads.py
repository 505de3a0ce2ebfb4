"""Typed reads: what is asked, at which block, and what comes back as which type."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from opengradient_sdk.chain.abi import AbiError, Function, encode
from opengradient_sdk.chain.contracts.access_control import DEFAULT_ADMIN_ROLE
from opengradient_sdk.chain.contracts.base import Contract
from opengradient_sdk.chain.contracts.eip2612 import Eip712Domain, Eip2612
from opengradient_sdk.chain.contracts.eip3009 import Eip3009
from opengradient_sdk.chain.contracts.erc20 import Erc20
from opengradient_sdk.chain.contracts.inference_verifier import (
    InferenceStatement,
    InferenceVerifier,
)
from opengradient_sdk.chain.contracts.multicall import MULTICALL3, CallResult, Multicall3
from opengradient_sdk.chain.contracts.permit2 import Permit2, Permit2Allowance
from opengradient_sdk.chain.contracts.proxies import ExactProxy, UptoProxy
from opengradient_sdk.chain.contracts.settlement_relay import SettlementRelay
from opengradient_sdk.chain.contracts.tee_registry import (
    ApprovedPcr,
    PcrKey,
    PcrMeasurements,
    TeeRegistry,
    TeeType,
)
from opengradient_sdk.chain.contracts.tee_verifier import TEE_VERIFIER, TeeVerifier
from opengradient_sdk.errors import ChainError
from opengradient_sdk.types import Address, Bytes32

HERE = Address("0x" + "11" * 20)
OWNER = Address("0x" + "22" * 20)
SPENDER = Address("0x" + "33" * 20)
WORD = Bytes32(b"\x07" * 32)
OTHER = Bytes32(b"\x08" * 32)
STATEMENT = InferenceStatement(WORD, OTHER, WORD, 1784200000, b"signature")


class Chain:
    """Answers every call with the same bytes, and remembers the last question."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked: tuple[Address, bytes, object] | None = None

    async def eth_call(self, to: Address, data: bytes, block: object = "latest") -> bytes:
        self.asked = (to, data, block)
        return self.answer


Reads = Callable[[Chain], Awaitable[object]]


@pytest.mark.parametrize(
    ("read", "signature", "args", "types", "results", "expected"),
    [
        (lambda c: Erc20(c, HERE).balance_of(OWNER, block=7), "balanceOf(address)", [OWNER],
         ["uint256"], [10**18], 10**18),
        (lambda c: Erc20(c, HERE).allowance(OWNER, SPENDER, block=7), "allowance(address,address)",
         [OWNER, SPENDER], ["uint256"], [5], 5),
        (lambda c: Erc20(c, HERE).decimals(block=7), "decimals()", [], ["uint8"], [18], 18),
        (lambda c: Eip3009(c, HERE).is_nonce_used(OWNER, WORD, block=7),
         "authorizationState(address,bytes32)", [OWNER, WORD], ["bool"], [True], True),
        (lambda c: Permit2(c, HERE).nonce_bitmap(OWNER, 3, block=7),
         "nonceBitmap(address,uint256)", [OWNER, 3], ["uint256"], [6], 6),
        (lambda c: Permit2(c, HERE).is_nonce_used(OWNER, 3 * 256 + 2, block=7),
         "nonceBitmap(address,uint256)", [OWNER, 3], ["uint256"], [4], True),
        (lambda c: Permit2(c, HERE).is_nonce_used(OWNER, 3 * 256 + 1, block=7),
         "nonceBitmap(address,uint256)", [OWNER, 3], ["uint256"], [4], False),
        (lambda c: TeeRegistry(c, HERE).tee_ids(1, block=7), "getTEEsByType(uint8)", [1],
         ["bytes32[]"], [[WORD, OTHER]], (WORD, OTHER)),
        (lambda c: TeeRegistry(c, HERE).is_tee_active(WORD, block=7), "isTEEActive(bytes32)",
         [WORD], ["bool"], [True], True),
        (lambda c: TeeRegistry(c, HERE).is_tee_enabled(WORD, block=7), "isTEEEnabled(bytes32)",
         [WORD], ["bool"], [False], False),
        (lambda c: TeeRegistry(c, HERE).tee_public_key(WORD, block=7), "getTEEPublicKey(bytes32)",
         [WORD], ["bytes"], [b"key"], b"key"),
        (lambda c: TeeRegistry(c, HERE).is_pcr_approved(0, WORD, block=7),
         "isPCRApproved(uint8,bytes32)", [0, WORD], ["bool"], [True], True),
        (lambda c: TeeRegistry(c, HERE).pcr_record(0, WORD, block=7), "pcrRecords(uint8,bytes32)",
         [0, WORD], ["bool", "uint8", "uint256", "string"], [True, 0, 9, "v1"],
         ApprovedPcr(approved=True, tee_type=0, approved_at=9, version="v1")),
        (lambda c: TeeRegistry(c, HERE).approved_pcrs(block=7), "getApprovedPCRs()", [],
         ["(bytes32,uint8)[]"], [[(WORD, 0), (OTHER, 1)]], (PcrKey(WORD, 0), PcrKey(OTHER, 1))),
        (lambda c: TeeRegistry(c, HERE).heartbeat_max_age(block=7), "heartbeatMaxAge()", [],
         ["uint256"], [1800], 1800),
        (lambda c: TeeVerifier(c, HERE).verify_attestation(b"d", b"k", b"c", block=7),
         "verifyAttestation(bytes,bytes,bytes,bytes)", [b"d", b"k", b"c", b""],
         ["bool", "bytes32"], [True, WORD], WORD),
        (lambda c: TeeVerifier(c, HERE).verify_attestation(b"d", b"k", b"c", b"r", block=7),
         "verifyAttestation(bytes,bytes,bytes,bytes)", [b"d", b"k", b"c", b"r"],
         ["bool", "bytes32"], [False, bytes(32)], None),
        (lambda c: TeeVerifier(c, HERE).is_rsa_pss_valid(b"k", WORD, b"s", block=7),
         "verifyRSAPSS(bytes,bytes32,bytes)", [b"k", WORD, b"s"], ["bool"], [True], True),
        (lambda c: InferenceVerifier(c, HERE).is_valid_now(STATEMENT, block=7),
         "verifySignature(bytes32,bytes32,bytes32,uint256,bytes)",
         [WORD, OTHER, WORD, 1784200000, b"signature"], ["bool"], [True], True),
        (lambda c: InferenceVerifier(c, HERE).is_valid(STATEMENT, block=7),
         "verifySignatureNoTimestamp(bytes32,bytes32,bytes32,uint256,bytes)",
         [WORD, OTHER, WORD, 1784200000, b"signature"], ["bool"], [False], False),
        (lambda c: InferenceVerifier(c, HERE).message_hash(WORD, OTHER, 5, block=7),
         "computeMessageHash(bytes32,bytes32,uint256)", [WORD, OTHER, 5], ["bytes32"], [OTHER],
         OTHER),
        (lambda c: InferenceVerifier(c, HERE).registry(block=7), "registry()", [], ["address"],
         [OWNER], OWNER),
        (lambda c: SettlementRelay(c, HERE).is_proof_valid([WORD], OTHER, WORD, block=7),
         "verifyProof(bytes32[],bytes32,bytes32)", [[WORD], OTHER, WORD], ["bool"], [True], True),
        (lambda c: SettlementRelay(c, HERE).settlement_contract(block=7), "SETTLEMENT_CONTRACT()",
         [], ["address"], [OWNER], OWNER),
        (lambda c: Erc20(c, HERE).name(block=7), "name()", [], ["string"], ["OPG"], "OPG"),
        (lambda c: Erc20(c, HERE).symbol(block=7), "symbol()", [], ["string"], ["OPG"], "OPG"),
        (lambda c: Erc20(c, HERE).total_supply(block=7), "totalSupply()", [], ["uint256"], [9], 9),
        (lambda c: Eip2612(c, HERE).nonce(OWNER, block=7), "nonces(address)", [OWNER],
         ["uint256"], [3], 3),
        (lambda c: Eip2612(c, HERE).domain_separator(block=7), "DOMAIN_SEPARATOR()", [],
         ["bytes32"], [WORD], WORD),
        (lambda c: Eip2612(c, HERE).domain(block=7), "eip712Domain()", [],
         ["bytes1", "string", "string", "uint256", "address", "bytes32", "uint256[]"],
         [b"\x0f", "OpenGradient", "1", 8453, HERE, bytes(32), []],
         Eip712Domain(b"\x0f", "OpenGradient", "1", 8453, HERE, Bytes32(bytes(32)), ())),
        (lambda c: Permit2(c, HERE).domain_separator(block=7), "DOMAIN_SEPARATOR()", [],
         ["bytes32"], [WORD], WORD),
        (lambda c: Permit2(c, HERE).allowance(OWNER, HERE, SPENDER, block=7),
         "allowance(address,address,address)", [OWNER, HERE, SPENDER],
         ["uint160", "uint48", "uint48"], [5, 6, 7], Permit2Allowance(5, 6, 7)),
        (lambda c: UptoProxy(c, HERE).permit2(block=7), "PERMIT2()", [], ["address"], [OWNER],
         OWNER),
        (lambda c: ExactProxy(c, HERE).witness_typehash(block=7), "WITNESS_TYPEHASH()", [],
         ["bytes32"], [WORD], WORD),
        (lambda c: UptoProxy(c, HERE).witness_type_string(block=7), "WITNESS_TYPE_STRING()", [],
         ["string"], ["W"], "W"),
        (lambda c: TeeRegistry(c, HERE).enabled_tee_ids(1, block=7), "getEnabledTEEs(uint8)", [1],
         ["bytes32[]"], [[OTHER]], (OTHER,)),
        (lambda c: TeeRegistry(c, HERE).tee_ids_of(OWNER, block=7), "getTEEsByOwner(address)",
         [OWNER], ["bytes32[]"], [[]], ()),
        (lambda c: TeeRegistry(c, HERE).tee_id(b"key", block=7), "computeTEEId(bytes)", [b"key"],
         ["bytes32"], [WORD], WORD),
        (lambda c: TeeRegistry(c, HERE).pcr_hash(PcrMeasurements(b"0", b"1", b"2"), block=7),
         "computePCRHash((bytes,bytes,bytes))", [(b"0", b"1", b"2")], ["bytes32"], [WORD], WORD),
        (lambda c: TeeRegistry(c, HERE).tee_types(block=7), "getTEETypes()", [],
         ["uint8[]", "(string,uint256)[]"], [[0, 1], [("LLMProxy", 5), ("Validator", 6)]],
         (TeeType(0, "LLMProxy", 5), TeeType(1, "Validator", 6))),
        (lambda c: TeeRegistry(c, HERE).tee_type(1, block=7), "teeTypes(uint8)", [1],
         ["string", "uint256"], ["Validator", 6], TeeType(1, "Validator", 6)),
        (lambda c: TeeRegistry(c, HERE).is_valid_tee_type(9, block=7), "isValidTEEType(uint8)",
         [9], ["bool"], [False], False),
        (lambda c: TeeRegistry(c, HERE).aws_root_certificate(block=7), "awsRootCertificate()", [],
         ["bytes"], [b"pem"], b"pem"),
        (lambda c: TeeRegistry(c, HERE).operator_role(block=7), "TEE_OPERATOR()", [], ["bytes32"],
         [WORD], WORD),
        (lambda c: TeeRegistry(c, HERE).verifier(block=7), "VERIFIER()", [], ["address"],
         [TEE_VERIFIER], TEE_VERIFIER),
        (lambda c: TeeRegistry(c, HERE).has_role(DEFAULT_ADMIN_ROLE, OWNER, block=7),
         "hasRole(bytes32,address)", [DEFAULT_ADMIN_ROLE, OWNER], ["bool"], [True], True),
        (lambda c: TeeRegistry(c, HERE).role_admin(WORD, block=7), "getRoleAdmin(bytes32)", [WORD],
         ["bytes32"], [DEFAULT_ADMIN_ROLE], DEFAULT_ADMIN_ROLE),
        (lambda c: InferenceVerifier(c, HERE).verifier(block=7), "VERIFIER()", [], ["address"],
         [TEE_VERIFIER], TEE_VERIFIER),
        (lambda c: InferenceVerifier(c, HERE).max_inference_age(block=7), "MAX_INFERENCE_AGE()",
         [], ["uint256"], [3600], 3600),
        (lambda c: InferenceVerifier(c, HERE).future_tolerance(block=7), "FUTURE_TOLERANCE()", [],
         ["uint256"], [300], 300),
        (lambda c: SettlementRelay(c, HERE).relay_role(block=7), "SETTLEMENT_RELAY_ROLE()", [],
         ["bytes32"], [WORD], WORD),
        (lambda c: Multicall3(c, HERE).eth_balance(OWNER, block=7), "getEthBalance(address)",
         [OWNER], ["uint256"], [8], 8),
        (lambda c: Multicall3(c, HERE).block_number(block=7), "getBlockNumber()", [], ["uint256"],
         [7], 7),
        (lambda c: Multicall3(c, HERE).block_hash(6, block=7), "getBlockHash(uint256)", [6],
         ["bytes32"], [WORD], WORD),
        (lambda c: Multicall3(c, HERE).timestamp(block=7), "getCurrentBlockTimestamp()", [],
         ["uint256"], [1784200000], 1784200000),
        (lambda c: Multicall3(c, HERE).gas_limit(block=7), "getCurrentBlockGasLimit()", [],
         ["uint256"], [30], 30),
        (lambda c: Multicall3(c, HERE).base_fee(block=7), "getBasefee()", [], ["uint256"], [1], 1),
        (lambda c: Multicall3(c, HERE).chain_id(block=7), "getChainId()", [], ["uint256"], [8453],
         8453),
        (lambda c: Multicall3(c, HERE).aggregate([(OWNER, b"\x01")], block=7),
         "aggregate3((address,bool,bytes)[])", [[(OWNER, True, b"\x01")]], ["(bool,bytes)[]"],
         [[(True, b"\x02")]], (CallResult(succeeded=True, data=b"\x02"),)),
    ],
)  # fmt: skip
async def test_reads(
    read: Reads, signature: str, args: list[Any], types: list[str], results: list[Any],
    expected: object,
) -> None:  # fmt: skip
    chain = Chain(encode(types, results))
    got = await read(chain)
    assert got == expected
    assert type(got) is type(expected)
    assert chain.asked == (HERE, Function(signature).encode(*args), 7)


def tee_words(*, july: bool, flat: bool = False) -> bytes:
    words: list[Any] = [OWNER, SPENDER, "https://1.2.3.4", b"k", b"c", WORD, 0, True, 1, 2]
    types = "address,address,string,bytes,bytes,bytes32,uint8,bool,uint256,uint256"
    if july:
        words.append((1, 32, 1, 3, b"o" * 32, b"", 3))
        types += ",(uint8,uint16,uint16,uint16,bytes,bytes,uint256)"
    if flat:
        return encode(types_of(types), words)
    return encode([f"({types})"], [tuple(words)])


def types_of(listed: str) -> list[str]:
    plain, bracket, struct = listed.partition(",(")
    return [*plain.split(","), *([f"({struct}"] if bracket else [])]


@pytest.mark.parametrize("july", [True, False])
async def test_one_node_is_read_in_both_layouts(july: bool) -> None:
    tee = await TeeRegistry(Chain(tee_words(july=july)), HERE).tee(WORD)
    assert (tee.endpoint, tee.payment_address) == ("https://1.2.3.4", SPENDER)
    assert (tee.ohttp is not None) is july


@pytest.mark.parametrize("july", [True, False])
async def test_a_node_is_looked_for_in_both_layouts(july: bool) -> None:
    found = await TeeRegistry(Chain(tee_words(july=july, flat=True)), HERE).find_tee(WORD)
    assert found == await TeeRegistry(Chain(tee_words(july=july)), HERE).tee(WORD)
    nobody = Address("0x" + "00" * 20)
    empty = [nobody, nobody, "", b"", b"", bytes(32), 0, False, 0, 0]
    types = types_of("address,address,string,bytes,bytes,bytes32,uint8,bool,uint256,uint256")
    assert await TeeRegistry(Chain(encode(types, empty)), HERE).find_tee(WORD) is None


async def test_active_nodes_are_read_through_the_contract_too() -> None:
    chain = Chain(encode(["uint8[]"], [[]]))
    assert await TeeRegistry(chain, HERE).active_tees(1, block=WORD) == ("july", ())
    assert chain.asked == (HERE, Function("getActiveTEEs(uint8)").encode(1), WORD)


@pytest.mark.parametrize(
    "read",
    [
        lambda c: Erc20(c, HERE).balance_of(OWNER),
        lambda c: TeeRegistry(c, HERE).active_tees(),
        lambda c: TeeRegistry(c, HERE).tee(WORD),
    ],
)
@pytest.mark.parametrize("answer", [b"", b"\x01"])
async def test_what_is_no_answer_is_an_error_that_says_where_to_look(
    read: Reads, answer: bytes
) -> None:
    with pytest.raises(ChainError, match=HERE) as caught:
        await read(Chain(answer))
    assert "address" in caught.value.hint


def test_multicall_and_the_verifier_have_their_addresses() -> None:
    assert TeeVerifier(Chain(b"")).address == TEE_VERIFIER == "0x" + "0" * 36 + "0900"
    assert Multicall3(Chain(b"")).address == MULTICALL3
    assert repr(Erc20(Chain(b""), HERE)) == f"Erc20({HERE})"


async def test_a_read_is_a_value_that_can_be_asked_again() -> None:
    chain = Chain(encode(["uint256"], [5]))
    read = Erc20(chain, HERE).balance_of(OWNER)
    assert chain.asked is None
    assert await read == 5
    chain.answer = encode(["uint256"], [6])
    assert await read == 6
    assert HERE in repr(read)


def test_every_read_has_a_test() -> None:
    tested = set(re.findall(r"c, HERE\)\.(\w+)\(", Path(__file__).read_text()))
    reads = {
        name
        for kind in contract_classes()
        for name, member in vars(kind).items()
        if getattr(member, "__annotations__", {}).get("return", "").startswith("Read[")
    }
    assert reads - {"_read", "_question"} - tested == {"find_tee"}  # tested in both layouts


def contract_classes() -> list[type]:
    from opengradient_sdk.chain import contracts

    named = [getattr(contracts, name) for name in contracts.__all__]
    return [kind for kind in named if isinstance(kind, type) and issubclass(kind, Contract)]


@pytest.mark.parametrize("text", ["", "balanceOf", "(address)", "two words(address)", "f(address"])
def test_a_text_that_is_no_signature_is_refused(text: str) -> None:
    with pytest.raises(AbiError):
        _ = Function(text).selector
