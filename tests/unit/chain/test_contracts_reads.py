"""Typed reads: what is asked, at which block, and what comes back as which type."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from opengradient_sdk.chain.abi import AbiError, Event, Function, encode
from opengradient_sdk.chain.contracts.eip3009 import Eip3009
from opengradient_sdk.chain.contracts.erc20 import (
    ALLOWANCE,
    BALANCE_OF,
    TRANSFER_EVENT,
    Approval,
    Erc20,
    Transfer,
)
from opengradient_sdk.chain.contracts.inference_verifier import (
    InferenceStatement,
    InferenceVerifier,
)
from opengradient_sdk.chain.contracts.multicall import Multicall3, Read
from opengradient_sdk.chain.contracts.permit2 import Permit2
from opengradient_sdk.chain.contracts.settlement_relay import (
    BatchSettlement,
    IndividualSettlement,
    SettlementRelay,
)
from opengradient_sdk.chain.contracts.tee_registry import (
    ApprovedPcr,
    HeartbeatReceived,
    PcrKey,
    TeeRegistry,
)
from opengradient_sdk.chain.contracts.tee_verifier import TEE_VERIFIER, TeeVerifier
from opengradient_sdk.errors import ChainError
from opengradient_sdk.types import Address, Bytes32, Log, TxRequest

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


def tee_words(*, july: bool) -> bytes:
    words: list[Any] = [OWNER, SPENDER, "https://1.2.3.4", b"k", b"c", WORD, 0, True, 1, 2]
    types = "address,address,string,bytes,bytes,bytes32,uint8,bool,uint256,uint256"
    if july:
        words.append((1, 32, 1, 3, b"o" * 32, b"", 3))
        types += ",(uint8,uint16,uint16,uint16,bytes,bytes,uint256)"
    return encode([f"({types})"], [tuple(words)])


@pytest.mark.parametrize("july", [True, False])
async def test_one_node_is_read_in_both_layouts(july: bool) -> None:
    tee = await TeeRegistry(Chain(tee_words(july=july)), HERE).tee(WORD)
    assert (tee.endpoint, tee.payment_address) == ("https://1.2.3.4", SPENDER)
    assert (tee.ohttp is not None) is july


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


def test_writes_are_requests_and_say_when_they_spend() -> None:
    token, nonces = Erc20(Chain(b""), HERE), Permit2(Chain(b""), HERE)
    approve = Function("approve(address,uint256)").encode(SPENDER, 5)
    assert token.approve(SPENDER, 5) == TxRequest(to=HERE, data=approve)
    transfer = Function("transfer(address,uint256)").encode(SPENDER, 5)
    assert token.transfer(SPENDER, 5) == TxRequest(to=HERE, data=transfer, allow_spend=True)
    burn = Function("invalidateUnorderedNonces(uint256,uint256)").encode(3, 4)
    assert nonces.invalidate_nonce(3 * 256 + 2) == TxRequest(to=HERE, data=burn, allow_spend=True)
    assert nonces.invalidate_unordered_nonces(3, 4).data == burn
    with pytest.raises(AbiError):
        token.transfer(SPENDER, -1)


def test_the_verifier_precompile_has_its_address() -> None:
    assert TeeVerifier(Chain(b"")).address == TEE_VERIFIER == "0x" + "0" * 36 + "0900"
    assert repr(Erc20(Chain(b""), HERE)) == f"Erc20({HERE})"


def log(event: str, topics: list[bytes], data: bytes) -> Log:
    every = (Event(event).topic, *map(Bytes32, topics))
    return Log(HERE, every, data, block_number=1, transaction_hash=WORD, index=0)


def word_of(address: Address) -> bytes:
    return encode(["address"], [address])


@pytest.mark.parametrize(
    ("kind", "event", "topics", "data", "expected"),
    [
        (Transfer, "Transfer(address,address,uint256)", [word_of(OWNER), word_of(SPENDER)],
         encode(["uint256"], [5]), Transfer(OWNER, SPENDER, 5)),
        (Approval, "Approval(address,address,uint256)", [word_of(OWNER), word_of(SPENDER)],
         encode(["uint256"], [6]), Approval(OWNER, SPENDER, 6)),
        (HeartbeatReceived, "HeartbeatReceived(bytes32,uint256)", [WORD],
         encode(["uint256"], [9]), HeartbeatReceived(WORD, 9)),
        (BatchSettlement, "BatchSettlement(bytes32,uint256,bytes)", [WORD],
         encode(["uint256", "bytes"], [20, b"blob"]), BatchSettlement(WORD, 20, b"blob")),
        (IndividualSettlement,
         "IndividualSettlement(bytes32,address,bytes32,bytes32,uint256,bytes,bytes)",
         [WORD, word_of(OWNER)],
         encode(["bytes32", "bytes32", "uint256", "bytes", "bytes"], [OTHER, WORD, 4, b"b", b"s"]),
         IndividualSettlement(WORD, OWNER, OTHER, WORD, 4, b"b", b"s")),
    ],
)  # fmt: skip
def test_logs(kind: Any, event: str, topics: list[bytes], data: bytes, expected: object) -> None:
    good = log(event, topics, data)
    assert kind.from_log(good) == expected
    with pytest.raises(AbiError, match="not a log of"):
        kind.from_log(log("Other()", topics, data))
    with pytest.raises(AbiError, match="topics"):
        kind.from_log(log(event, [*topics, WORD], data))
    with pytest.raises(AbiError, match="ends at byte"):
        kind.from_log(log(event, topics, data[:-1]))


def test_an_indexed_text_is_its_hash() -> None:
    event = Event("Named(string indexed name, uint8 kind)")
    named = log("Named(string,uint8)", [WORD], encode(["uint8"], [1]))
    assert event.matches(named)
    assert event.decode(named) == {"name": WORD, "kind": 1}


def test_filters_name_the_indexed_values() -> None:
    assert TRANSFER_EVENT.topics() == [TRANSFER_EVENT.topic]
    assert TRANSFER_EVENT.topics(recipient=SPENDER) == [
        TRANSFER_EVENT.topic, None, Bytes32(word_of(SPENDER)),
    ]  # fmt: skip
    with pytest.raises(AbiError, match="no indexed amount"):
        TRANSFER_EVENT.topics(amount=5)


@pytest.mark.parametrize("text", ["", "balanceOf", "(address)", "two words(address)", "f(address"])
def test_a_text_that_is_no_signature_is_refused(text: str) -> None:
    with pytest.raises(AbiError):
        _ = Function(text).selector


async def test_many_reads_are_one_call_and_fail_one_by_one() -> None:
    outcomes = [
        (True, encode(["uint256"], [5])),
        (False, bytes.fromhex("08c379a0")),
        (True, b""),
        (True, b"\x01"),
    ]
    chain = Chain(encode(["(bool,bytes)[]"], [outcomes]))
    reads = [
        Read(OWNER, BALANCE_OF, (OWNER,)),
        *[Read(SPENDER, ALLOWANCE, (OWNER, SPENDER))] * 3,
    ]
    good, refused, missing, strange = await Multicall3(chain, HERE).read_many(reads, block=7)
    assert good == (5,)
    for error, text in ((refused, "refused"), (missing, "no contract"), (strange, "not answer")):
        assert isinstance(error, ChainError)
        assert text in error.short_message
    question = Function("aggregate3((address,bool,bytes)[])")
    assert chain.asked is not None
    (calls,) = question.decode_args(chain.asked[1])
    assert calls[0] == (OWNER, True, BALANCE_OF.encode(OWNER))
    with pytest.raises(ChainError, match="4 of 1"):
        await Multicall3(chain, HERE).read_many(reads[:1])
